//! The lab's clock: real traffic needs real time.

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND_NS: u64 = 1_000_000;

/// Returns the monotonic clock in nanoseconds.
///
/// The vDSO answers without a system call, so every packet may carry its own time.
pub fn now_ns() -> u64 {
    // CLOCK_MONOTONIC exists on every Linux and cannot be negative.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        u64::try_from(time.tv_sec())
            .unwrap_or(0)
            .saturating_mul(SECOND_NS)
            .saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
    })
}

/// Sleeps until [`now_ns`] reaches `deadline_ns`; returns at once when it has passed.
pub fn sleep_until(deadline_ns: u64) {
    let seconds = i64::try_from(deadline_ns / SECOND_NS).unwrap_or(i64::MAX);
    let nanoseconds = i64::try_from(deadline_ns % SECOND_NS).unwrap_or(0);
    let deadline = TimeSpec::new(seconds, nanoseconds);
    while let Err(Errno::EINTR) = clock_nanosleep(
        ClockId::CLOCK_MONOTONIC,
        ClockNanosleepFlags::TIMER_ABSTIME,
        &deadline,
    ) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_at_or_after_its_deadline() {
        let deadline = now_ns() + 2 * MILLISECOND_NS;
        sleep_until(deadline);
        assert!(now_ns() >= deadline);
        sleep_until(1);
    }
}
