//! The thread that owns the machine: it ticks, and answers in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stormbolt_control::compile::Watch;
use tokio::sync::oneshot;

use super::activity::{Activity, Cancel};
use super::clock;
use super::error::RunError;
use super::machine::{BoxedError, Machine};
use super::running::{Begun, Running};
use super::schedule::Schedule;
use crate::sampling::Board;
use crate::telemetry::Journal;

/// Jobs that wait at most; more are refused at once.
const MAX_WAITING: usize = 64;
/// How long a job waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Running) + Send>;

/// The machine gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// It has too much to do; nothing was done.
    #[error("the daemon is busy: nothing was done, try again")]
    Busy,
    /// It is being stopped.
    #[error("the daemon is stopping")]
    Stopping,
}

/// The way to the machine from other threads.
#[derive(Clone)]
pub struct Handle {
    jobs: SyncSender<Job>,
    activity: Activity,
    journal: Journal,
}

/// The thread. Dropping it stops the machine and waits until everything is detached.
pub(super) struct Worker {
    jobs: SyncSender<Job>,
    activity: Activity,
    journal: Journal,
    stop: Arc<AtomicBool>,
    /// Whether what is attached is to outlive the machine.
    leave: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Resolves when the thread ends, for whatever reason.
    ended: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts the machine on a thread of its own and waits until it runs. What it is busy with is told
    /// to `activity`; while it starts, that is nothing but the watch.
    ///
    /// # Errors
    ///
    /// What `start` returned, or that it panicked.
    pub(super) async fn start<F, M>(
        begun: Begun,
        activity: Activity,
        start: F,
    ) -> Result<Self, RunError>
    where
        F: FnOnce(&mut dyn Watch) -> Result<M, BoxedError> + Send + 'static,
        M: Machine + 'static,
    {
        let (jobs, waiting) = sync_channel(MAX_WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let (started, ready) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let stopped = Arc::clone(&stop);
        let leave = Arc::new(AtomicBool::new(false));
        let left = Arc::clone(&leave);
        let of_machine = activity.clone();
        let journal = Journal::default();
        let its_journal = journal.clone();
        let body = move || {
            // Dropped last, so that whoever waits for the end finds everything detached.
            let _end = end;
            let machine = start(&mut of_machine.begin(0, 0, &Cancel::default()));
            let running = match machine {
                Ok(machine) => Running::new(
                    Box::new(machine),
                    begun,
                    of_machine,
                    its_journal,
                    Board::default(),
                ),
                Err(error) => {
                    drop(started.send(Err(error)));
                    return;
                }
            };
            drop(started.send(Ok(())));
            work(running, &waiting, (&stopped, &left));
        };
        let thread = thread::Builder::new()
            .name("stormbolt-engine".to_owned())
            .spawn(body)
            .map_err(RunError::Runtime)?;
        let worker = Self {
            jobs,
            activity,
            journal,
            stop,
            leave,
            thread: Some(thread),
            ended,
        };
        match ready.await {
            Ok(Ok(())) => Ok(worker),
            Ok(Err(error)) => Err(RunError::Start(error)),
            Err(_) => Err(RunError::Panicked),
        }
    }

    /// A way to the machine.
    pub(super) fn handle(&self) -> Handle {
        Handle {
            jobs: self.jobs.clone(),
            activity: self.activity.clone(),
            journal: self.journal.clone(),
        }
    }

    /// Waits until the thread ends by itself, which only a panic makes it do.
    pub(super) async fn ended(&mut self) {
        // The sender is never used, only dropped: the error is the message.
        drop((&mut self.ended).await);
    }

    /// Lets the machine give up what takes long: it will be stopped.
    pub(super) fn give_up(&self) {
        self.activity.stop();
        self.journal.close();
    }

    /// Stops the machine and waits until everything is detached, or for it to end if it is to `leave` everything
    /// as it is.
    ///
    /// # Errors
    ///
    /// When the thread had panicked.
    pub(super) fn stop(mut self, leave: bool) -> Result<(), RunError> {
        self.leave.store(leave, Ordering::Release);
        self.join()
    }

    fn join(&mut self) -> Result<(), RunError> {
        self.give_up();
        self.stop.store(true, Ordering::Release);
        // Wakes the thread up. A full queue needs no waking: the flag is read after each job.
        drop(self.jobs.try_send(Box::new(|_| {})));
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(RunError::Panicked),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.join().is_err() {
            tracing::error!("the engine's thread panicked");
        }
    }
}

impl Handle {
    /// What the machine's thread is busy with. Does not wait for it.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// What has happened so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Lets the machine's thread do `job` between two ticks and returns its result.
    ///
    /// # Errors
    ///
    /// When it was not begun within some seconds: then it never will be. A job that was begun is
    /// waited for.
    pub async fn ask<T, F>(&self, job: F) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        F: FnOnce(&mut Running) -> T + Send + 'static,
    {
        // Whoever sets it first decides: the thread to do the job, or the caller to give it up.
        let claimed = Arc::new(AtomicBool::new(false));
        let claim = Arc::clone(&claimed);
        let (reply, mut answer) = oneshot::channel();
        let job = Box::new(move |running: &mut Running| {
            if !claim.swap(true, Ordering::AcqRel) {
                drop(reply.send(job(running)));
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(_) => Unanswered::Busy,
            std::sync::mpsc::TrySendError::Disconnected(_) => Unanswered::Stopping,
        })?;
        let answer = match tokio::time::timeout(MAX_WAIT, &mut answer).await {
            Ok(answer) => answer,
            Err(_) if !claimed.swap(true, Ordering::AcqRel) => return Err(Unanswered::Busy),
            Err(_) => answer.await,
        };
        answer.map_err(|_| Unanswered::Stopping)
    }
}

fn work(mut running: Running, jobs: &Receiver<Job>, (stop, leave): (&AtomicBool, &AtomicBool)) {
    let mut schedule = Schedule::new(clock::now(), running.interval());
    while !stop.load(Ordering::Acquire) {
        let now = clock::now();
        // Ticks come first; the next one is always ahead, so jobs get their turn as well.
        if schedule.is_due(now) {
            let end = running.tick(now);
            running.missed(schedule.advance(end));
        }
        match jobs.recv_timeout(schedule.wait(clock::now())) {
            Ok(job) => {
                job(&mut running);
                schedule.set_interval(clock::now(), running.interval());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if leave.load(Ordering::Acquire) {
        running.leave();
    }
}
