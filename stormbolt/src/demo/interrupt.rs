//! Ctrl-C and `kill`: the demo ends as if it were over, and cleans up on its way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::bail;
use nix::sys::signal::{SigSet, Signal};

/// Whether the demo was asked to end.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes `SIGINT`, `SIGTERM` and `SIGHUP` away from all threads and waits for them on one of its
    /// own. Call it before any thread is started: threads inherit the mask.
    pub(super) fn listen() -> std::io::Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let flag = Arc::new(AtomicBool::new(false));
        let raised = Arc::clone(&flag);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                if signals.wait().is_ok() {
                    raised.store(true, Ordering::Relaxed);
                }
            })?;
        Ok(Self(flag))
    }

    /// Fails once a signal has come.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted; everything that the demo made is gone");
        }
        Ok(())
    }
}
