//! The daemon's life from the policy file to the last detached interface.

use std::path::PathBuf;

use stormbolt_control::policy::Policy;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::error::RunError;
use super::machine::{BoxedError, Machine};
use super::socket::listen_at;
use super::worker::Worker;
use crate::api::{Editor, ServerError, router, serve_connections};
use crate::config;

/// What the daemon is told on its command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// The policy file.
    pub config: PathBuf,
    /// Where the API listens.
    pub socket: PathBuf,
}

/// What the outside may want of a running daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Read the policy file again.
    Reload,
    /// Detach and end.
    Stop,
}

/// Where a daemon is in its life, for the service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// The machine runs and the API answers.
    Ready,
    /// It detaches.
    Stopping,
}

/// Runs a machine under the policy file until it is stopped, and says so at the milestones.
/// Everything is detached and the socket removed on return.
///
/// # Errors
///
/// When the daemon cannot start, or a defect ended it.
pub async fn serve<F, M>(
    options: &Options,
    start: F,
    mut events: mpsc::Receiver<Event>,
    say: impl Fn(Milestone),
) -> Result<(), RunError>
where
    F: FnOnce(Policy) -> Result<M, BoxedError> + Send + 'static,
    M: Machine + 'static,
{
    let (loaded, _text) = config::load(&options.config)?;
    for line in loaded.warnings.render(false).lines() {
        tracing::warn!("{line}");
    }
    let (listener, _socket_file) = listen_at(&options.socket)?;
    let source = options.config.display().to_string();
    let mut worker = Worker::start(source, move || start(loaded.policy)).await?;

    let editor = Editor::new(worker.handle());
    let listener = UnixListener::from_std(listener).map_err(RunError::Runtime)?;
    tracing::info!("listening on {}", options.socket.display());
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = Box::pin(serve_connections(listener, router(editor.clone()), stopped));
    let mut reloads = JoinSet::new();
    say(Milestone::Ready);
    let ended = loop {
        tokio::select! {
            ended = &mut server => break ended,
            () = worker.ended() => break Err(ServerError::Panicked),
            Some(Err(error)) = reloads.join_next() => if error.is_panic() {
                break Err(ServerError::Panicked);
            },
            event = events.recv() => match event {
                // In the background: the daemon answers meanwhile.
                Some(Event::Reload) => {
                    reloads.spawn(reload(editor.clone(), options.config.clone()));
                }
                Some(Event::Stop) | None => {
                    tracing::info!("stopping");
                    say(Milestone::Stopping);
                    drop(stop);
                    break server.await;
                }
            },
        }
    };
    let detached = worker.stop();
    tracing::info!("detached from all interfaces");
    ended
        .map_err(|ServerError::Panicked| RunError::Panicked)
        .and(detached)
}

async fn reload(editor: Editor, config: PathBuf) {
    tracing::info!("reading {} again", config.display());
    // What becomes of a valid policy, the machine's thread logs.
    if let Err(error) = editor.reload(&config).await {
        for line in error.lines() {
            tracing::warn!("{line}");
        }
        tracing::warn!(
            "{} not loaded, the old policy stays in force",
            config.display()
        );
    }
}
