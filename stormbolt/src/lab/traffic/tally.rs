//! What came of requests.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

/// Longest round trip that a histogram tells apart, in nanoseconds; longer ones count as this.
const LONGEST_NS: u64 = 60_000_000_000;

/// Live counts of a request client since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTotals {
    /// Requests sent.
    pub sent: u64,
    /// Requests that reached the server.
    pub received: u64,
    /// Requests answered in time.
    pub replied: u64,
    /// Requests not sent because the client itself was late; they are no loss of the network.
    pub skipped: u64,
    /// Connections lost or given up after a timeout (TCP only).
    pub broken_connections: u64,
}

/// What came of the requests of one phase.
#[derive(Clone)]
pub struct RequestSnapshot {
    /// Length of the phase, in nanoseconds.
    pub duration_ns: u64,
    /// Requests sent in the phase.
    pub sent: u64,
    /// Those of them that reached the server.
    pub received: u64,
    /// Those of them that were answered within the grace time (UDP) or the timeout (TCP).
    pub replied: u64,
    /// Requests that were due but not sent because the client itself was late.
    pub skipped: u64,
    /// Connections lost or given up after a timeout (TCP only).
    pub broken_connections: u64,
    /// Times from request to reply, in nanoseconds, with three significant digits.
    pub round_trip_ns: Histogram<u64>,
}

impl RequestSnapshot {
    /// Returns a snapshot in which nothing has happened.
    pub(super) fn empty() -> Self {
        Self {
            duration_ns: 0,
            sent: 0,
            received: 0,
            replied: 0,
            skipped: 0,
            broken_connections: 0,
            round_trip_ns: Histogram::new_with_bounds(1, LONGEST_NS, 3)
                .expect("these bounds are in order"),
        }
    }

    /// Returns the requests without a reply.
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.replied)
    }

    /// Returns the requests that did not reach the server.
    pub fn lost_on_the_way(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }

    /// Returns a percentile (0 to 100) of the round trip, in nanoseconds; none without a reply.
    pub fn round_trip_percentile_ns(&self, percentile: f64) -> Option<u64> {
        (!self.round_trip_ns.is_empty()).then(|| self.round_trip_ns.value_at_percentile(percentile))
    }
}

/// Percentiles stand for the histogram, which has thousands of buckets.
impl fmt::Debug for RequestSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSnapshot")
            .field("duration_ns", &self.duration_ns)
            .field("sent", &self.sent)
            .field("received", &self.received)
            .field("replied", &self.replied)
            .field("skipped", &self.skipped)
            .field("broken_connections", &self.broken_connections)
            .field("round_trip_p50_ns", &self.round_trip_percentile_ns(50.0))
            .field("round_trip_p99_ns", &self.round_trip_percentile_ns(99.0))
            .finish_non_exhaustive()
    }
}

/// Locks, also after a panic of another thread: counts stay counts.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
