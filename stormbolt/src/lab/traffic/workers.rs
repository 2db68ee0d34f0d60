//! Threads that stop when their owner goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_timerslack;
use nix::unistd::Pid;

use crate::lab::{LabError, Namespace};

/// Longest time that a thread may block before it looks at its stop flag.
pub(super) const STOP_CHECK: Duration = Duration::from_millis(50);

/// Asks threads to end.
#[derive(Clone, Debug, Default)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Threads with one stop flag, joined on drop.
#[derive(Debug, Default)]
pub(super) struct Workers {
    stop: StopFlag,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `work` on a thread in `namespace`, on CPU `pin` only if one is given, and returns
    /// when the thread has got there.
    pub(super) fn spawn(
        &mut self,
        namespace: &Namespace,
        pin: Option<usize>,
        work: impl FnOnce(&StopFlag) + Send + 'static,
    ) -> Result<(), LabError> {
        let failed = || format!("start a traffic thread in `{}`", namespace.label());
        let (arrived, arrival) = sync_channel(1);
        let (stop, inside) = (self.stop.clone(), namespace.clone());
        let body = move || {
            let setup = inside.enter().and_then(|()| prepare_thread(pin));
            if arrived.send(setup).is_ok() && setup.is_ok() {
                work(&stop);
            }
        };
        let thread = std::thread::Builder::new()
            .name("lab-traffic".to_owned())
            .spawn(body)
            .map_err(LabError::io(failed()))?;
        self.threads.push(thread);
        arrival
            .recv()
            .unwrap_or(Err(Errno::ECHILD))
            .map_err(LabError::io(failed()))
    }

    /// Ends the threads and waits for them.
    pub(super) fn stop(&mut self) {
        self.stop.set();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("a traffic thread of the lab panicked");
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn prepare_thread(pin: Option<usize>) -> Result<(), Errno> {
    // The default slack of 50 µs would make every paced packet late.
    set_timerslack(1)?;
    let Some(cpu) = pin else { return Ok(()) };
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)
}
