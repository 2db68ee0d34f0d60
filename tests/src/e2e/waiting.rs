//! Waiting for what the kernel or another process does in its own time.

use stormbolt::lab::clock::{MILLISECOND_NS, SECOND_NS, now_ns, sleep_until};

/// So long that only something that never happens takes longer.
const PATIENCE_NS: u64 = 20 * SECOND_NS;

/// Waits until `what` is so.
///
/// # Panics
///
/// When it does not happen within twenty seconds.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_some(what, || is_so().then_some(()));
}

/// Waits until there is `what`, and returns it.
///
/// # Panics
///
/// When it does not happen within twenty seconds.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline_ns = now_ns() + PATIENCE_NS;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(now_ns() < deadline_ns, "waited in vain: {what}");
        sleep_until(now_ns() + 20 * MILLISECOND_NS);
    }
}
