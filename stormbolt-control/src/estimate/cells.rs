//! What one class does on one interface.

use super::smoothing::{approach, growth};
use crate::observe::CellCounters;
use crate::units::{BitsPerSecond, Nanoseconds};

/// How fast a demand that is no longer there is forgotten. An idle moment between two requests
/// then costs a class a fraction of its share, and a class that has stopped gives way in a second
/// or two.
const DEMAND_DECAY: Nanoseconds = Nanoseconds::from_millis(500);

/// A class is held back when more than one in this many of its bytes is dropped. A few drops at
/// the edge of a burst do not count.
const HELD_BACK_ONE_IN: u64 = 256;

/// A class that is held back is taken to want this percentage of what it offers.
const HELD_BACK_PERCENT: u64 = 112;

/// What one class does on one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassEstimate {
    /// What arrived during the last interval, dropped or not.
    pub offered: BitsPerSecond,
    /// What was within the rate during the last interval.
    pub passed: BitsPerSecond,
    /// What was over the rate during the last interval.
    pub dropped: BitsPerSecond,
    /// What the class is taken to want: rises with what is offered at once, falls slowly.
    ///
    /// While the class is held back it is an eighth above what is offered, since senders with
    /// congestion control offer hardly more than what passes: without that, two TCP classes that
    /// share a link would crawl towards their fair shares.
    pub demand: BitsPerSecond,
}

impl ClassEstimate {
    /// The estimate after `span`, during which the counters went from `previous` to `current`;
    /// unchanged where they ran backwards, since then nothing is known about the span.
    #[must_use]
    pub(super) fn after(
        self,
        previous: &CellCounters,
        current: &CellCounters,
        span: Nanoseconds,
    ) -> Self {
        let grown = growth(previous.passed_bytes, current.passed_bytes)
            .zip(growth(previous.dropped_bytes, current.dropped_bytes));
        let Some((passed_bytes, dropped_bytes)) = grown else {
            return self;
        };
        let offered_bytes = passed_bytes.saturating_add(dropped_bytes);

        let offered = BitsPerSecond::from_bytes_over(offered_bytes, span);
        let held_back = dropped_bytes > offered_bytes / HELD_BACK_ONE_IN;
        let wanted = if held_back {
            offered.percent(HELD_BACK_PERCENT)
        } else {
            offered
        };
        let forgotten = BitsPerSecond(approach(self.demand.0, wanted.0, span, DEMAND_DECAY));
        Self {
            offered,
            passed: BitsPerSecond::from_bytes_over(passed_bytes, span),
            dropped: BitsPerSecond::from_bytes_over(dropped_bytes, span),
            demand: wanted.max(forgotten),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Nanoseconds = Nanoseconds::from_millis(100);

    fn counters(passed_bytes: u64, dropped_bytes: u64) -> CellCounters {
        CellCounters {
            passed_bytes,
            dropped_bytes,
            ..CellCounters::default()
        }
    }

    fn sending(bits: u64) -> ClassEstimate {
        let offered = BitsPerSecond(bits);
        ClassEstimate {
            offered,
            passed: offered,
            demand: offered,
            ..ClassEstimate::default()
        }
    }

    #[test]
    fn offered_counts_what_was_dropped() {
        // 1 MB passed and 3 MB dropped in 100 ms.
        let estimate =
            ClassEstimate::default().after(&counters(5, 7), &counters(1_000_005, 3_000_007), SPAN);
        assert_eq!(estimate.passed, BitsPerSecond(80_000_000));
        assert_eq!(estimate.dropped, BitsPerSecond(240_000_000));
        assert_eq!(estimate.offered, BitsPerSecond(320_000_000));
        assert!(
            estimate.demand > estimate.offered,
            "held back: {estimate:?}"
        );
    }

    #[test]
    fn demand_rises_at_once() {
        let estimate = sending(1_000).after(&counters(0, 0), &counters(1_250_000, 0), SPAN);
        assert_eq!(estimate.demand, BitsPerSecond(100_000_000));
    }

    #[test]
    fn one_idle_interval_leaves_most_of_the_demand() {
        let estimate = sending(600_000).after(&counters(9, 9), &counters(9, 9), SPAN);
        assert_eq!(estimate.offered, BitsPerSecond::ZERO);
        assert_eq!(estimate.demand, BitsPerSecond(500_000));
    }

    #[test]
    fn a_class_that_stopped_is_forgotten_within_three_seconds() {
        let mut estimate = sending(1_000_000_000);
        for _ in 0..30 {
            estimate = estimate.after(&counters(0, 0), &counters(0, 0), SPAN);
        }
        assert!(estimate.demand < BitsPerSecond(10_000_000), "{estimate:?}");
    }

    #[test]
    fn a_few_drops_do_not_make_a_class_held_back() {
        let estimate =
            ClassEstimate::default().after(&counters(0, 0), &counters(999_000, 1_000), SPAN);
        assert_eq!(estimate.demand, estimate.offered);
    }

    #[test]
    fn a_restarted_counter_changes_nothing() {
        let before = sending(1_000_000);
        let after = before.after(&counters(1_000_000, 0), &counters(60, 0), SPAN);
        assert_eq!(after, before);
    }
}
