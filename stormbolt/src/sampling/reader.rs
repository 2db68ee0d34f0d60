//! The thread that reads what the data path shows.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use stormbolt_common::sample::Sampling;

use super::board::Board;
use crate::daemon::clock;
use crate::datapath::Samples;

/// Between two looks, while somebody captures and otherwise.
const SOON: Duration = Duration::from_millis(10);
const LATER: Duration = Duration::from_millis(100);

/// The thread; it ends when this is dropped, and no packets are shown any more.
pub(crate) struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Reads `samples` from now on, and puts what they tell on `board`.
    ///
    /// # Errors
    /// There are no more threads.
    pub(crate) fn start(samples: Samples, board: Board) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("stormbolt-sample".to_owned())
            .spawn(move || read(samples, &board, &stopped))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the thread that reads samples panicked");
            }
        }
    }
}

/// A number that nobody outside foresees.
fn unforeseen() -> u32 {
    let number = RandomState::new().build_hasher().finish();
    u32::try_from(number >> 32).unwrap_or(0)
}

fn read(mut samples: Samples, board: &Board, stop: &AtomicBool) {
    let mut chosen = None;
    while !stop.load(Ordering::Acquire) {
        let now = clock::now();
        let shown = std::iter::from_fn(|| samples.take());
        let wanted = board.take(shown, now, unforeseen());
        if chosen != Some(wanted) {
            samples.choose(wanted);
            chosen = Some(wanted);
        }
        thread::park_timeout(if board.is_captured() { SOON } else { LATER });
    }
    samples.choose(Sampling::OFF);
    board.close();
}
