//! Steady rates by absolute deadlines.

use crate::lab::clock::SECOND_NS;

/// How fast a sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the machine can.
    Unlimited,
    /// This many packets per second.
    PerSecond(u64),
}

/// Time that a late sender may make up for. What is later than that is skipped, not sent in a
/// burst: a burst would test the depth of a bucket instead of its rate.
const CATCH_UP_NS: u64 = 5_000_000;

/// Says how many items are due at a given time. Pure: time is an argument.
///
/// Deadlines are multiples of the period since the start, so a late wake-up does not shift the
/// later ones and the rate holds over any duration.
#[derive(Debug)]
pub(super) struct Pacer {
    per_second: u64,
    start_ns: u64,
    /// Items sent or skipped.
    settled: u64,
    skipped: u64,
    backlog: u64,
}

impl Pacer {
    /// Starts at `now_ns`: the first item is due at once. A rate of zero counts as one.
    pub(super) fn new(per_second: u64, now_ns: u64) -> Self {
        let per_second = per_second.max(1);
        let backlog = scale(per_second, CATCH_UP_NS, SECOND_NS).max(1);
        Self {
            per_second,
            start_ns: now_ns,
            settled: 0,
            skipped: 0,
            backlog,
        }
    }

    /// Lets the sender make up for at least `items`, for callers that send several at once.
    pub(super) fn with_backlog(self, items: u64) -> Self {
        Self {
            backlog: self.backlog.max(items),
            ..self
        }
    }

    /// Returns how many items to send now, skipping those that are too late.
    pub(super) fn due(&mut self, now_ns: u64) -> u64 {
        let elapsed = now_ns.saturating_sub(self.start_ns);
        let scheduled = scale(elapsed, self.per_second, SECOND_NS) + 1;
        let due = scheduled.saturating_sub(self.settled);
        let late = due.saturating_sub(self.backlog);
        self.settled += late;
        self.skipped += late;
        due - late
    }

    /// Notes that `count` due items were sent.
    pub(super) fn sent(&mut self, count: u64) {
        self.settled += count;
    }

    /// Returns when the next item is due.
    pub(super) fn next_ns(&self) -> u64 {
        self.due_at_ns(1)
    }

    /// Returns when the next `count` items, at least one, are due.
    pub(super) fn due_at_ns(&self, count: u64) -> u64 {
        // Rounded up: at that time `due` is not less than `count`.
        let before = (self.settled + count).saturating_sub(1);
        self.start_ns + scale(before, SECOND_NS, self.per_second) + 1
    }

    /// Returns how many items were skipped so far.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// Returns `value * factor / divisor`, saturating.
fn scale(value: u64, factor: u64, divisor: u64) -> u64 {
    let product = u128::from(value) * u128::from(factor);
    u64::try_from(product / u128::from(divisor.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a pacer with a clock that wakes up at each deadline; returns what was sent.
    fn run(pacer: &mut Pacer, from_ns: u64, until_ns: u64) -> u64 {
        let (mut now, mut sent) = (from_ns, 0);
        while now < until_ns {
            let due = pacer.due(now);
            pacer.sent(due);
            sent += due;
            now = now.max(pacer.next_ns());
        }
        sent
    }

    #[test]
    fn rate_holds_over_a_second_also_when_the_period_is_no_whole_number_of_nanoseconds() {
        for rate in [1, 3, 7, 3000, 999_983] {
            let mut pacer = Pacer::new(rate, 5);
            let sent = run(&mut pacer, 5, 5 + SECOND_NS);
            assert!(sent == rate, "{sent} at {rate}/s");
        }
    }

    #[test]
    fn deadline_is_never_before_the_item_is_due() {
        for rate in [1, 3, 7, 3000, 999_983, 1_234_567] {
            let mut pacer = Pacer::new(rate, 0);
            for _ in 0..1000 {
                assert!(pacer.due(pacer.next_ns()) > 0, "{pacer:?}");
                pacer.sent(1);
            }
        }
    }

    #[test]
    fn several_items_are_due_when_it_says_so() {
        let mut pacer = Pacer::new(125_000, 0).with_backlog(3000);
        for _ in 0..100 {
            let at = pacer.due_at_ns(1448);
            assert!(pacer.due(at - 10_000) < 1448, "{pacer:?}");
            assert_eq!(pacer.due(at), 1448, "{pacer:?}");
            pacer.sent(1448);
        }
        assert_eq!(pacer.skipped(), 0);
    }

    #[test]
    fn a_long_pause_is_skipped_and_not_made_up_for() {
        let mut pacer = Pacer::new(1000, 0);
        assert_eq!(pacer.due(SECOND_NS), 5);
        assert_eq!(pacer.skipped(), 1001 - 5);
        pacer.sent(5);
        assert_eq!(pacer.due(SECOND_NS), 0);
    }

    #[test]
    fn a_short_pause_is_made_up_for() {
        let mut pacer = Pacer::new(1000, 0);
        assert_eq!(pacer.due(3_000_000), 4);
        assert_eq!(pacer.skipped(), 0);
    }
}
