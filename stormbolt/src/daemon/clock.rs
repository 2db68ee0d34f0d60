//! The daemon's clocks; everything else takes the time as an argument.

use std::time::Duration;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use stormbolt_control::units::Nanoseconds;

/// Reads the monotonic clock.
pub(crate) fn now() -> Nanoseconds {
    // Every Linux has CLOCK_MONOTONIC, and it counts up from zero at boot.
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    Nanoseconds(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// Reads the wall clock, in seconds since 1970: for people, since it may jump.
pub(crate) fn unix_seconds() -> u64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| Duration::from(time).as_secs())
}

/// Reads the clock on the wall, which may jump: for people, not for spans of time.
pub(crate) fn wall() -> Timestamp {
    Timestamp::now()
}
