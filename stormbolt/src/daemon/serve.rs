//! The daemon's life from the policy file to the last detached interface.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use futures_util::FutureExt as _;
use futures_util::future::try_join;
use stormbolt_control::compile::Watch;
use stormbolt_control::policy::Policy;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::activity::Activity;
use super::clock;
use super::error::RunError;
use super::links;
use super::machine::{BoxedError, Machine, given_up};
use super::memory::give_back;
use super::peers::{Access, AccessOptions};
use super::pulse::Pulse;
use super::running::Begun;
use super::socket::listen_at;
use super::worker::Worker;
use crate::api::{Door, Editor, ServerError, router, serve_connections};
use crate::state::Ledger;

/// What the daemon is told on its command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// The policy file.
    pub config: PathBuf,
    /// Where the API listens.
    pub socket: PathBuf,
    /// Where policies are kept.
    pub state: PathBuf,
    /// Who may use it there.
    pub access: AccessOptions,
    /// Where it listens beside that, if it does.
    pub tls: Option<TlsOptions>,
}

/// Where the API listens for callers with a token.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// Address and port.
    pub address: SocketAddr,
    /// The certificate and those above it, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The tokens.
    pub tokens: PathBuf,
}

/// What the outside may want of a running daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Read the policy file again.
    Reload,
    /// Detach and end.
    Stop,
    /// End, and leave what is pinned as it is.
    Leave,
}

/// Where a daemon is in its life, for the service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// It has its sockets and has read what only its starter may read; nothing else runs yet.
    Bound,
    /// The machine runs and the API answers.
    Ready,
    /// It reads the policy file again; when that is done, it is ready.
    Reloading,
    /// It is at work, about once a second; not while the machine hangs.
    Alive,
    /// It detaches.
    Stopping,
}

/// Runs a machine under the policy file until it is stopped, and says so at the milestones.
/// Everything is detached, unless it is to be left, and the socket removed on return.
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
    F: FnOnce(Policy, &mut dyn Watch) -> Result<M, BoxedError> + Send + 'static,
    M: Machine + 'static,
{
    let mut ledger = Ledger::open(&options.config, &options.state);
    let beginning = ledger.begin()?;
    for line in &beginning.warnings {
        tracing::warn!("{line}");
    }
    let access = Access::find(&options.access)?;
    let (listener, _socket_file) = listen_at(&options.socket, access.group())?;
    let tls_door = options
        .tls
        .as_ref()
        .map(|tls| Door::tls(tls.address, &tls.certificate, &tls.key, &tls.tokens));
    let tls_door = tls_door.transpose()?;
    say(Milestone::Bound);
    let begun = Begun {
        source: beginning.source.clone(),
        generation: Some(beginning.generation),
        trouble: ledger.trouble().map(str::to_owned),
    };
    let activity = Activity::default();
    let policy = beginning.policy.clone();
    let starting = Worker::start(begun, activity.clone(), move |watch| start(policy, watch));
    let Some((mut worker, reload_wanted)) = started(starting, &activity, &mut events).await? else {
        tracing::info!("stopped before it was ready");
        return Ok(());
    };

    for line in ledger.begun(&beginning, clock::unix_seconds()) {
        tracing::warn!("{line}");
    }
    drop(beginning);
    give_back();
    let editor = Editor::keeping(worker.handle(), ledger, options.config.clone());
    let listener = UnixListener::from_std(listener).map_err(RunError::Runtime)?;
    tracing::info!("listening on {}", options.socket.display());
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = stopped.shared();
    let at_door = |door| serve_connections(door, router(editor.clone()), stopped.clone());
    let unix = at_door(Door::unix(listener, access));
    let tls = tls_door.map(at_door);
    if let Some(tls) = &options.tls {
        tracing::info!("listening on {} with TLS", tls.address);
    }
    let tls = async {
        match tls {
            Some(tls) => tls.await,
            None => Ok(()),
        }
    };
    let mut server = Box::pin(async { try_join(unix, tls).await.map(|_| ()) });
    let undoing = editor.clone();
    let mut undoing = Box::pin(undoing.undo_unconfirmed());
    let mut reloads = JoinSet::new();
    let mut links = JoinSet::new();
    links.spawn(links::follow(worker.handle()));
    if reload_wanted {
        reloads.spawn(reload(editor.clone(), options.config.clone()));
    }
    let mut pulse = Pulse::new(activity);
    say(Milestone::Ready);
    let mut leave = false;
    let ended = loop {
        tokio::select! {
            ended = &mut server => break ended,
            never = &mut undoing => match never {},
            () = worker.ended() => break Err(ServerError::Panicked),
            Some(reloaded) = reloads.join_next() => match reloaded {
                Err(error) if error.is_panic() => break Err(ServerError::Panicked),
                _ if reloads.is_empty() => say(Milestone::Ready),
                _ => {}
            },
            () = pulse.beat() => say(Milestone::Alive),
            event = events.recv() => match event {
                // In the background: the daemon answers meanwhile.
                Some(Event::Reload) => {
                    say(Milestone::Reloading);
                    reloads.spawn(reload(editor.clone(), options.config.clone()));
                }
                end @ (Some(Event::Stop | Event::Leave) | None) => {
                    tracing::info!("stopping");
                    leave = end == Some(Event::Leave);
                    say(Milestone::Stopping);
                    worker.give_up();
                    drop(stop);
                    break server.await;
                }
            },
        }
    };
    let detached = worker.stop(leave);
    tracing::info!(
        "{}",
        if leave {
            "left attached to all interfaces: the next daemon goes on from here, and `stormbolt detach` detaches"
        } else {
            "detached from all interfaces"
        }
    );
    ended
        .map_err(|ServerError::Panicked| RunError::Panicked)
        .and(detached)
}

/// Waits until the machine runs; `None` when the daemon was told to end before. Says also whether it
/// was told to read the policy again meanwhile.
async fn started(
    starting: impl Future<Output = Result<Worker, RunError>>,
    activity: &Activity,
    events: &mut mpsc::Receiver<Event>,
) -> Result<Option<(Worker, bool)>, RunError> {
    let mut starting = std::pin::pin!(starting);
    let (mut stop_wanted, mut reload_wanted, mut leave_wanted) = (false, false, false);
    let worker = loop {
        tokio::select! {
            started = &mut starting => break started,
            event = events.recv(), if !stop_wanted => match event {
                Some(Event::Reload) => reload_wanted = true,
                end @ (Some(Event::Stop | Event::Leave) | None) => {
                    leave_wanted = end == Some(Event::Leave);
                    stop_wanted = true;
                    activity.stop();
                }
            },
        }
    };
    match worker {
        Ok(worker) if stop_wanted => worker.stop(leave_wanted).map(|()| None),
        Ok(worker) => Ok(Some((worker, reload_wanted))),
        Err(RunError::Start(error)) if stop_wanted && given_up(error.as_ref()) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn reload(editor: Editor, config: PathBuf) {
    tracing::info!("reading {} again", config.display());
    // What becomes of a valid policy, the machine's thread logs.
    if let Err(error) = editor.reload(&config).await {
        for line in error.lines() {
            tracing::warn!("{line}");
        }
        let config = config.display();
        tracing::warn!("{config} not loaded, the old policy stays in force");
    }
}
