//! Keeps a CPU from going to sleep.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use stormbolt::lab;

/// A CPU that has something to do, until this is dropped: a thread that runs when no other one wants to.
///
/// A virtual CPU with nothing to do is taken off its processor by the host. Until it is back, more frames come than
/// a link has room for, whoever receives them.
pub struct Awake {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Awake {
    /// Keeps CPU number `cpu` awake.
    ///
    /// # Errors
    /// There is no such CPU.
    pub fn keep(cpu: usize) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let (began, begins) = channel();
        let thread = thread::spawn(move || {
            let ready = lab::run_when_idle()
                .context("cannot give way to all others")
                .and_then(|()| lab::keep_to([cpu]).context("cannot stay on one CPU"));
            let is_ready = ready.is_ok();
            // The other end waits for it.
            drop(began.send(ready));
            while is_ready && !seen.load(Ordering::Relaxed) {
                spin_loop();
            }
        });
        let awake = Self {
            is_over,
            thread: Some(thread),
        };
        begins.recv().context("the thread ended")??;
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
