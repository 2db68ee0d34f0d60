//! What the machine's thread is busy with, for threads that cannot ask it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stormbolt_control::compile::{Progress, Watch};

use super::clock;

/// Bytes of a word of the tables.
const WORD: u64 = 8;

/// What goes on, and the wish that it ends. Clones are about the same machine.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// When the compilation began, in ns of the daemon's clock; 0 when there is none.
    since: AtomicU64,
    rules: AtomicU64,
    bytes: AtomicU64,
    budget: AtomicU64,
    /// Grows whenever the machine's thread has got on with something.
    beats: AtomicU64,
    stopping: AtomicBool,
}

/// A compilation that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiling {
    /// For how long, in ms.
    pub milliseconds: u64,
    /// Rules of the policy.
    pub rules: u64,
    /// Bytes of the tables so far; in the end as many as the policy needs.
    pub bytes: u64,
    /// Bytes that one policy may take.
    pub budget: u64,
}

/// The wish that one change is given up, for whoever asked for it to express. Clones are about the
/// same change.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

/// Expresses the wish when dropped.
#[derive(Debug)]
pub struct CancelOnDrop(Cancel);

/// Tells about one compilation until dropped.
pub(super) struct Compilation<'a> {
    shared: &'a Shared,
    cancel: &'a Cancel,
}

impl Activity {
    /// The compilation that goes on, if any.
    pub fn compiling(&self) -> Option<Compiling> {
        let since = self.0.since.load(Ordering::Acquire);
        (since > 0).then(|| Compiling {
            milliseconds: clock::now().0.saturating_sub(since) / 1_000_000,
            rules: self.0.rules.load(Ordering::Relaxed),
            bytes: self.0.bytes.load(Ordering::Relaxed),
            budget: self.0.budget.load(Ordering::Relaxed),
        })
    }

    /// The machine's thread has got on with something.
    pub(super) fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes whenever the machine's thread has got on with something.
    pub(super) fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }

    /// Lets whatever goes on be given up, and all that follows: the daemon ends.
    pub(super) fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// A compilation of `rules` rules begins, for which there are `budget` bytes.
    pub(super) fn begin<'a>(
        &'a self,
        rules: usize,
        budget: u64,
        cancel: &'a Cancel,
    ) -> Compilation<'a> {
        let shared = &self.0;
        let rules = u64::try_from(rules).unwrap_or(u64::MAX);
        shared.rules.store(rules, Ordering::Relaxed);
        shared.bytes.store(0, Ordering::Relaxed);
        shared.budget.store(budget, Ordering::Relaxed);
        shared.since.store(clock::now().0.max(1), Ordering::Release);
        Compilation { shared, cancel }
    }
}

impl Cancel {
    /// Expresses the wish when the result is dropped.
    pub fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

impl Watch for Compilation<'_> {
    fn interrupted(&mut self, progress: Progress) -> bool {
        let bytes = progress.words.saturating_mul(WORD);
        self.shared.bytes.store(bytes, Ordering::Relaxed);
        self.shared.beats.fetch_add(1, Ordering::Relaxed);
        self.shared.stopping.load(Ordering::Acquire) || self.cancel.0.load(Ordering::Acquire)
    }
}

impl Drop for Compilation<'_> {
    fn drop(&mut self) {
        self.shared.since.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compilation_is_seen_until_it_ends_and_ends_when_either_side_wants() {
        let activity = Activity::default();
        let cancel = Cancel::default();
        assert_eq!(activity.compiling(), None);
        let mut compilation = activity.begin(3, 80, &cancel);
        assert!(!compilation.interrupted(Progress { words: 5 }));
        let seen = activity.clone().compiling().unwrap();
        assert_eq!((seen.rules, seen.bytes, seen.budget), (3, 40, 80));
        drop(cancel.on_drop());
        assert!(compilation.interrupted(Progress { words: 6 }));
        drop(compilation);
        assert_eq!(activity.compiling(), None);
        activity.stop();
        let other = Cancel::default();
        assert!(
            activity
                .begin(0, 0, &other)
                .interrupted(Progress { words: 0 })
        );
    }
}
