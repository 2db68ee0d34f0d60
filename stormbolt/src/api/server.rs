//! Connections to the API, bounded in number and in time, for each caller and for all of them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::response::Response;
use axum::{Extension, Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::io::InspectWriter;

use super::access::{Caller, Entered, guard};
use super::door::{Arrived, Door};

/// Connections at a time by one door; further ones wait in the kernel.
const MAX_CONNECTIONS: usize = 64;
/// How long the head of a request may take, and before that agreeing on TLS.
const MAX_HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may take in all: it serves one request.
/// Policies may take a minute to compile. An [`Endless`] answer may go on as long as the client reads: within any such
/// time, some of it is taken.
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

/// In the extensions of an answer that goes on until the client has seen enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endless;

/// What is known of a connection.
#[derive(Debug, Default)]
struct Course {
    /// It has an [`Endless`] answer.
    endless: AtomicBool,
    /// Something was written since it was looked at.
    written: AtomicBool,
}

impl Course {
    /// Whether it may go on after [`MAX_CONNECTION_TIME`], and then after the same time again.
    fn goes_on(&self) -> bool {
        self.written.swap(false, Ordering::Relaxed) && self.endless.load(Ordering::Relaxed)
    }
}

/// What a caller hears that has too many connections open.
const CROWDED: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\n\
    connection: close\r\n\r\n";

/// Serves requests of the callers at a door until `stop` resolves, then gives those in progress a moment to end.
///
/// # Errors
///
/// When a request panicked: what it may have left half done is not for the next one to find.
pub async fn serve_connections(
    door: Door,
    router: Router,
    stop: impl Future,
) -> Result<(), ServerError> {
    serve_within(MAX_CONNECTION_TIME, door, router, stop).await
}

/// The same with another bound than [`MAX_CONNECTION_TIME`].
pub(super) async fn serve_within(
    limit: Duration,
    door: Door,
    router: Router,
    stop: impl Future,
) -> Result<(), ServerError> {
    let router = router.layer(middleware::from_fn(guard));
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            (arrived, caller, permit) = accept(&door, &free) => {
                connections.spawn(serve_one(limit, arrived, caller, router.clone(), permit));
            }
            Some(ended) = connections.join_next() => {
                ended.map_err(|_| ServerError::Panicked)?;
            }
            _ = &mut stop => break,
        }
    }
    drop(door);
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
    door: &Door,
    free: &Arc<Semaphore>,
) -> (Arrived, Caller, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let permit = Arc::clone(free).acquire_owned().await.ok();
    loop {
        match door.next().await {
            Ok((arrived, caller)) => return (arrived, caller, permit),
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_one(
    limit: Duration,
    arrived: Arrived,
    caller: Caller,
    router: Router,
    permit: Option<OwnedSemaphorePermit>,
) {
    let entered = match caller.counted.map(|key| caller.limits.enter(key)) {
        None => None,
        Some(Some(entered)) => Some(entered),
        Some(None) => {
            tracing::debug!("{:?} has too many connections", caller.counted);
            turn_away(&arrived);
            return;
        }
    };
    let router = router.layer(Extension(caller));
    match arrived {
        Arrived::Unix(stream) => serve_stream(limit, stream, router, (permit, entered)).await,
        Arrived::Tcp(stream, acceptor) => {
            match timeout(MAX_HEAD_TIME, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve_stream(limit, stream, router, (permit, entered)).await,
                Ok(Err(error)) => tracing::debug!("no TLS was agreed on: {error}"),
                Err(_) => tracing::debug!("agreeing on TLS took too long"),
            }
        }
    }
}

/// Says so if that takes no waiting, and closes the connection.
fn turn_away(arrived: &Arrived) {
    if let Arrived::Unix(stream) = arrived {
        // Whoever does not get it sees the connection closed.
        stream.try_write(CROWDED).unwrap_or(0);
    }
}

async fn serve_stream(
    limit: Duration,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    counted: (Option<OwnedSemaphorePermit>, Option<Entered>),
) {
    let course = Arc::new(Course::default());
    let answered = Arc::clone(&course);
    let router = router.layer(middleware::map_response(move |answer: Response| {
        if answer.extensions().get::<Endless>().is_some() {
            answered.endless.store(true, Ordering::Relaxed);
        }
        std::future::ready(answer)
    }));
    let stream = InspectWriter::new(stream, |_| course.written.store(true, Ordering::Relaxed));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(MAX_HEAD_TIME)
            .keep_alive(false)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    loop {
        match timeout(limit, &mut connection).await {
            Ok(Ok(())) => break,
            Ok(Err(error)) => {
                tracing::debug!("a connection ended early: {error}");
                break;
            }
            Err(_) if course.goes_on() => {}
            Err(_) => {
                tracing::debug!("a connection took too long");
                break;
            }
        }
    }
    drop(counted);
}
