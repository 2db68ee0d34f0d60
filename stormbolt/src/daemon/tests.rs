//! The whole daemon with a machine without a kernel.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use stormbolt_control::compile::Watch;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::fake::{POLICY, Traces};
use super::running::Begun;
use super::worker::Worker;
use super::{AccessOptions, Activity, Event, Milestone, Options, RunError, Unanswered, serve};
use crate::api::Editor;
use crate::config;

/// A daemon that runs in the background of a test.
struct Daemon {
    directory: TempDir,
    options: Options,
    traces: Traces,
    events: mpsc::Sender<Event>,
    served: JoinHandle<Result<(), RunError>>,
}

impl Daemon {
    /// Waits until the daemon is ready.
    async fn start(policy: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("policy.toml");
        fs::write(&config, policy).unwrap();
        let options = Options {
            config,
            socket: directory.path().join("run/socket"),
            access: AccessOptions::default(),
            tls: None,
            state: directory.path().join("state"),
        };
        let traces = Traces::default();
        let (events, received) = mpsc::channel(1);
        let (ready, mut is_ready) = mpsc::unbounded_channel();
        let (own_options, own_traces) = (options.clone(), traces.clone());
        let served = tokio::spawn(async move {
            let start = move |policy, watch: &mut dyn Watch| own_traces.start(policy, watch);
            let say = move |milestone| ready.send(milestone).unwrap_or(());
            serve(&own_options, start, received, say).await
        });
        assert_eq!(is_ready.recv().await, Some(Milestone::Bound));
        assert_eq!(is_ready.recv().await, Some(Milestone::Ready));
        Self {
            directory,
            options,
            traces,
            events,
            served,
        }
    }

    /// A document, asked for over the socket.
    async fn get(&self, path: &str) -> serde_json::Value {
        let (socket, path) = (self.options.socket.clone(), path.to_owned());
        tokio::task::spawn_blocking(move || {
            crate::api::client::Client::new(&socket)
                .unwrap()
                .get(&path)
                .unwrap()
        })
        .await
        .unwrap()
    }

    async fn stop(self) -> (Result<(), RunError>, PathBuf, Traces) {
        self.events.send(Event::Stop).await.unwrap();
        let ended = self.served.await.unwrap();
        assert!(!self.options.socket.exists());
        drop(self.directory);
        (ended, self.options.socket, self.traces)
    }
}

#[tokio::test]
async fn a_daemon_that_is_to_leave_everything_does_not_detach_and_removes_its_socket() {
    let daemon = Daemon::start(POLICY).await;
    daemon.events.send(Event::Leave).await.unwrap();
    daemon.served.await.unwrap().unwrap();
    assert!(daemon.traces.left() && !daemon.traces.detached());
    assert!(!daemon.options.socket.exists());
}

#[tokio::test]
async fn a_stopped_daemon_has_detached_and_removed_its_socket() {
    let daemon = Daemon::start(POLICY).await;
    assert!(daemon.options.socket.exists());
    assert!(!daemon.traces.detached());
    let (ended, socket, traces) = daemon.stop().await;
    ended.unwrap();
    assert!(traces.detached());
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_machine_ticks_while_the_api_answers() {
    let daemon = Daemon::start(POLICY).await;
    while daemon.get("/v1/status").await["ticks"].as_u64().unwrap() < 3 {}
    let status = daemon.get("/v1/status").await;
    assert_eq!(
        status["policy_source"],
        daemon.options.config.display().to_string()
    );
    assert_eq!(status["interval_milliseconds"], 10);
    daemon.stop().await.0.unwrap();
}

#[tokio::test]
async fn a_reload_takes_the_changed_file() {
    let daemon = Daemon::start(POLICY).await;
    fs::write(
        &daemon.options.config,
        POLICY.replace("rate = \"200Mbit\"\n", ""),
    )
    .unwrap();
    daemon.events.send(Event::Reload).await.unwrap();
    while daemon.get("/v1/status").await["generation"] == 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    daemon.stop().await.0.unwrap();
}

#[tokio::test]
async fn a_reload_of_a_file_that_cannot_be_used_changes_nothing_and_says_why() {
    let worker = worker(&Traces::default()).await;
    let editor = Editor::new(worker.handle());
    let file = tempfile::NamedTempFile::new().unwrap();
    for (text, reason) in [
        (
            POLICY.replace("800Mbit", "800gbps"),
            ":13:8: error: `gbps` is not a unit of rates",
        ),
        (
            POLICY.replace("eth0", "absent"),
            "this machine cannot run the policy: there is no interface",
        ),
    ] {
        fs::write(file.path(), text).unwrap();
        let lines = editor.reload(file.path()).await.unwrap_err().lines();
        assert!(lines[0].contains(reason), "{lines:?}");
        let generation = worker
            .handle()
            .ask(|running| running.machine().generation())
            .await;
        assert_eq!(generation, Ok(1));
    }
    fs::write(file.path(), POLICY).unwrap();
    assert_eq!(editor.reload(file.path()).await.unwrap(), 2);
    worker.stop(false).unwrap();
}

#[tokio::test]
async fn a_panic_of_the_machine_ends_the_daemon_detached() {
    let daemon = Daemon::start(&POLICY.replace("eth0", "panic")).await;
    let ended = daemon.served.await.unwrap();
    assert!(matches!(ended, Err(RunError::Panicked)), "{ended:?}");
    assert!(daemon.traces.detached());
    assert!(!daemon.options.socket.exists());
}

#[tokio::test]
async fn a_second_daemon_leaves_the_first_and_its_interfaces_alone() {
    let daemon = Daemon::start(POLICY).await;
    let (_events, received) = mpsc::channel(1);
    let start = |_, _: &mut dyn Watch| -> Result<super::fake::FakeMachine, super::BoxedError> {
        panic!("must not be started")
    };
    let ended = serve(&daemon.options, start, received, |_| {}).await;
    assert!(matches!(ended, Err(RunError::Socket(_))), "{ended:?}");
    assert_eq!(daemon.get("/v1/status").await["generation"], 1);
    daemon.stop().await.0.unwrap();
}

#[tokio::test]
async fn a_machine_that_does_not_start_ends_the_daemon_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("policy.toml");
    fs::write(&config, POLICY).unwrap();
    let options = Options {
        config,
        socket: directory.path().join("socket"),
        access: AccessOptions::default(),
        tls: None,
        state: directory.path().join("state"),
    };
    let (_events, received) = mpsc::channel(1);
    let start = |_, _: &mut dyn Watch| -> Result<super::fake::FakeMachine, super::BoxedError> {
        Err("no".into())
    };
    let ended = serve(&options, start, received, |_| {}).await;
    assert!(matches!(&ended, Err(RunError::Start(reason)) if reason.to_string() == "no"));
    assert!(!options.socket.exists());
}

#[tokio::test]
async fn a_daemon_that_is_stopped_while_it_starts_gives_up_and_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("policy.toml");
    fs::write(&config, POLICY.replace("eth0", "slow")).unwrap();
    let options = Options {
        config,
        socket: directory.path().join("socket"),
        access: AccessOptions::default(),
        tls: None,
        state: directory.path().join("state"),
    };
    let (events, received) = mpsc::channel(1);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let start = move |policy, watch: &mut dyn Watch| {
        begun.send(()).unwrap();
        Traces::default().start(policy, watch)
    };
    let own_options = options.clone();
    let served = tokio::spawn(async move { serve(&own_options, start, received, |_| {}).await });
    has_begun.await.unwrap();
    events.send(Event::Stop).await.unwrap();
    served.await.unwrap().unwrap();
    assert!(!options.socket.exists());
}

async fn worker(traces: &Traces) -> Worker {
    let policy = config::parse("test", POLICY).unwrap().policy;
    let traces = traces.clone();
    Worker::start(Begun::default(), Activity::default(), move |watch| {
        traces.start(policy, watch)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn ticks_go_on_after_a_job_that_took_longer_than_many_intervals() {
    let traces = Traces::default();
    let worker = worker(&traces).await;
    let (go, wait) = channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let handle = worker.handle();
    let job = tokio::spawn(async move {
        handle
            .ask(move |_| {
                begun.send(()).unwrap();
                wait.recv().unwrap();
            })
            .await
    });
    has_begun.await.unwrap();
    let before = traces.ticks();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(traces.ticks(), before, "one thread does both");
    go.send(()).unwrap();
    job.await.unwrap().unwrap();
    while traces.ticks() < before + 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    worker.stop(false).unwrap();
    assert!(traces.detached());
}

#[tokio::test]
async fn a_job_that_was_given_up_is_never_done() {
    let traces = Traces::default();
    let worker = worker(&traces).await;
    let (go, wait) = channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let handle = worker.handle();
    let blocker = tokio::spawn(async move {
        handle
            .ask(move |_| {
                begun.send(()).unwrap();
                wait.recv().unwrap();
            })
            .await
    });
    has_begun.await.unwrap();
    // The paused clock jumps over the time that the job would wait.
    tokio::time::pause();
    let (done, is_done) = channel::<()>();
    let given_up = worker.handle().ask(move |_| done.send(()).unwrap()).await;
    tokio::time::resume();
    assert_eq!(given_up, Err(Unanswered::Busy));
    go.send(()).unwrap();
    blocker.await.unwrap().unwrap();
    worker.handle().ask(|_| ()).await.unwrap();
    assert!(is_done.try_recv().is_err());
    worker.stop(false).unwrap();
}

#[tokio::test]
async fn a_stopped_machine_refuses_jobs() {
    let traces = Traces::default();
    let worker = worker(&traces).await;
    let handle = worker.handle();
    worker.stop(false).unwrap();
    assert_eq!(handle.ask(|_| ()).await, Err(Unanswered::Stopping));
}
