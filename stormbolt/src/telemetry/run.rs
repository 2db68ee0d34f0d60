//! What the daemon counts of its own run.

use prometheus_client::metrics::histogram::Histogram;
use stormbolt_control::units::Nanoseconds;

/// Upper ends of the buckets of tick times, in seconds.
const TICK_BUCKETS: [f64; 16] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0,
];

/// Counts since the daemon started. Clones share the times of ticks.
#[derive(Clone, Debug)]
pub struct RunCounts {
    pub(super) tick_seconds: Histogram,
    /// Ticks that took longer than the interval.
    pub overrun_ticks: u64,
    /// Ticks that were due while the one before, or something else, kept the controller busy.
    pub missed_ticks: u64,
    /// Times that the data path took the controller to be silent.
    pub silences: u64,
    /// Policies that came into force, the first one included.
    pub applied_policies: u64,
    /// Policies that this machine could not run, or that were given up.
    pub refused_policies: u64,
}

impl Default for RunCounts {
    fn default() -> Self {
        Self {
            tick_seconds: Histogram::new(TICK_BUCKETS),
            overrun_ticks: 0,
            missed_ticks: 0,
            silences: 0,
            applied_policies: 0,
            refused_policies: 0,
        }
    }
}

impl RunCounts {
    /// Takes note of a tick that took so long, and says whether that was longer than `interval`.
    pub fn ticked(&mut self, took: Nanoseconds, interval: Nanoseconds) -> bool {
        let nanoseconds = std::time::Duration::from_nanos(took.0);
        self.tick_seconds.observe(nanoseconds.as_secs_f64());
        let overran = took > interval;
        self.overrun_ticks += u64::from(overran);
        overran
    }
}
