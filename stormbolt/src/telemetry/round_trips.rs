//! Round-trip times of TCP connections, as metrics want them.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use stormbolt_control::units::Nanoseconds;

/// Upper ends of the buckets, in seconds.
const BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];
/// Classes that have sums of their own; round trips of others are only in the histogram.
const MAX_CLASSES: usize = 4_096;

/// Round trips that were measured. Copies share the histogram.
#[derive(Clone, Debug)]
pub struct RoundTripTimes {
    pub(super) seconds: Histogram,
    /// By the number of the class: how many, and all of them together in nanoseconds.
    pub(super) classes: BTreeMap<u32, (u64, u64)>,
}

impl Default for RoundTripTimes {
    fn default() -> Self {
        Self {
            seconds: Histogram::new(BUCKETS),
            classes: BTreeMap::new(),
        }
    }
}

impl RoundTripTimes {
    /// Takes note of a round trip of a connection of this class.
    pub fn note(&mut self, class: u32, took: Nanoseconds) {
        self.seconds
            .observe(Duration::from_nanos(took.0).as_secs_f64());
        if self.classes.len() < MAX_CLASSES || self.classes.contains_key(&class) {
            let (count, sum) = self.classes.entry(class).or_default();
            *count = count.wrapping_add(1);
            *sum = sum.wrapping_add(took.0);
        }
    }

    /// Forgets the sums of other classes.
    pub(crate) fn keep_classes(&mut self, has_class: impl Fn(u32) -> bool) {
        self.classes.retain(|class, _| has_class(*class));
    }

    /// The numbers of classes that have sums of their own.
    pub(crate) fn classes(&self) -> impl Iterator<Item = u32> {
        self.classes.keys().copied()
    }
}
