//! A daemon with a machine without a kernel, for tests.

use std::path::PathBuf;
use std::thread::JoinHandle;

use stormbolt_control::compile::Watch;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::client::Client;
use crate::daemon::fake::{POLICY, Traces};
use crate::daemon::{AccessOptions, Event, Milestone, Options, RunError, TlsOptions, serve};

/// A daemon on a thread of its own.
pub(crate) struct Server {
    directory: TempDir,
    pub(crate) socket: PathBuf,
    events: mpsc::Sender<Event>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    /// One that listens for callers with a token as well.
    pub(crate) fn start_with(tls: Option<TlsOptions>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("policy.toml");
        std::fs::write(&config, POLICY).unwrap();
        let socket = directory.path().join("socket");
        let options = Options {
            config,
            socket: socket.clone(),
            access: AccessOptions::default(),
            tls,
            state: directory.path().join("state"),
        };
        let (events, received) = mpsc::channel(1);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let start = |policy, watch: &mut dyn Watch| Traces::default().start(policy, watch);
            runtime.block_on(serve(&options, start, received, |milestone| {
                if milestone == Milestone::Ready {
                    ready.send(()).unwrap_or(());
                }
            }))
        });
        is_ready.recv().unwrap();
        Self {
            directory,
            socket,
            events,
            thread: Some(thread),
        }
    }

    /// The policy file.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("policy.toml")
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.socket).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.events.blocking_send(Event::Stop).unwrap();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}
