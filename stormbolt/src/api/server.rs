//! Connections to the API, bounded in number and in time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at a time; further ones wait in the kernel.
const MAX_CONNECTIONS: usize = 64;
/// How long the head of a request may take.
const MAX_HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may take in all: it serves one request.
/// Policies may take a minute to compile.
const MAX_CONNECTION_TIME: Duration = Duration::from_secs(90);
/// Bytes of a head, and of an answer that waits to be read.
const MAX_BUFFER: usize = 64 << 10;
/// How long connections get to end when the server stops.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// Pause after the kernel refused a connection, for want of descriptors for example.
const PAUSE: Duration = Duration::from_millis(100);

/// Why the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServerError {
    /// A request met a defect of the program.
    #[error("a request made the server panic")]
    Panicked,
}

/// Serves requests until `stop` resolves, then gives those in progress a moment to end.
///
/// # Errors
///
/// When a request panicked: what it may have left half done is not for the next one to find.
pub async fn serve_connections(
    listener: UnixListener,
    router: Router,
    stop: impl Future,
) -> Result<(), ServerError> {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            (stream, permit) = accept(&listener, &free) => {
                connections.spawn(serve_one(stream, router.clone(), permit));
            }
            Some(ended) = connections.join_next() => {
                ended.map_err(|_| ServerError::Panicked)?;
            }
            _ = &mut stop => break,
        }
    }
    drop(listener);
    let rest = async {
        while let Some(ended) = connections.join_next().await {
            ended.map_err(|_| ServerError::Panicked)?;
        }
        Ok(())
    };
    timeout(LAST_WAIT, rest).await.unwrap_or(Ok(()))
}

/// Waits until a connection may be served, then for one.
async fn accept(
    listener: &UnixListener,
    free: &Arc<Semaphore>,
) -> (UnixStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let permit = Arc::clone(free).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_one(stream: UnixStream, router: Router, permit: Option<OwnedSemaphorePermit>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(MAX_HEAD_TIME)
        .keep_alive(false)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(MAX_CONNECTION_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a connection ended early: {error}"),
        Err(_) => tracing::debug!("a connection took too long"),
    }
    drop(permit);
}
