//! The harness's clocks.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Time that the calling thread has run, in nanoseconds: what other processes take of the CPU while
/// a measurement runs is not in it.
pub fn thread_time_ns() -> u64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// The monotonic clock, in nanoseconds.
pub fn now_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Both clocks exist on every Linux and are never negative.
fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).unwrap_or(TimeSpec::new(0, 0));
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0)
}
