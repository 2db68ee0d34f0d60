//! When the next tick is due.

use std::time::Duration;

use stormbolt_control::units::Nanoseconds;

/// Ticks at fixed distances from a start. Deadlines are absolute, so that delays do not add up;
/// those that pass while nobody looks are skipped, not made up for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval: Nanoseconds,
    deadline: Nanoseconds,
}

impl Schedule {
    /// The first tick is due one interval after `start`.
    pub(super) fn new(start: Nanoseconds, interval: Nanoseconds) -> Self {
        // A policy's interval is never zero; if it were, the distance to a deadline would be none.
        let interval = interval.max(Nanoseconds(1));
        Self {
            interval,
            deadline: after(start, interval.0),
        }
    }

    /// Whether a tick is due.
    pub(super) fn is_due(&self, now: Nanoseconds) -> bool {
        self.deadline <= now
    }

    /// How long until a tick is due.
    pub(super) fn wait(&self, now: Nanoseconds) -> Duration {
        Duration::from_nanos(self.deadline.since(now).0)
    }

    /// Notes that a tick ended at `now`: the next deadline is the first that lies ahead. Returns how many others
    /// have passed.
    pub(super) fn advance(&mut self, now: Nanoseconds) -> u64 {
        let late = now.since(self.deadline).0;
        let missed = late / self.interval.0;
        let intervals = missed.saturating_add(1);
        self.deadline = after(self.deadline, intervals.saturating_mul(self.interval.0));
        missed
    }

    /// Goes over to another interval; the same one changes nothing.
    pub(super) fn set_interval(&mut self, now: Nanoseconds, interval: Nanoseconds) {
        let changed = Self::new(now, interval);
        if changed.interval != self.interval {
            *self = changed;
        }
    }
}

fn after(time: Nanoseconds, span: u64) -> Nanoseconds {
    Nanoseconds(time.0.saturating_add(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanoseconds = Nanoseconds(1_000);
    const INTERVAL: Nanoseconds = Nanoseconds(100);

    #[test]
    fn a_late_tick_does_not_move_the_next_deadline() {
        let mut schedule = Schedule::new(START, INTERVAL);
        assert!(!schedule.is_due(Nanoseconds(1_099)));
        assert_eq!(schedule.wait(Nanoseconds(1_060)), Duration::from_nanos(40));
        assert!(schedule.is_due(Nanoseconds(1_130)));
        assert_eq!(schedule.wait(Nanoseconds(1_130)), Duration::ZERO);
        assert_eq!(schedule.advance(Nanoseconds(1_140)), 0);
        assert_eq!(schedule.wait(Nanoseconds(1_140)), Duration::from_nanos(60));
    }

    #[test]
    fn missed_ticks_are_skipped_and_counted() {
        let mut schedule = Schedule::new(START, INTERVAL);
        assert_eq!(schedule.advance(Nanoseconds(1_455)), 3);
        assert_eq!(schedule.wait(Nanoseconds(1_455)), Duration::from_nanos(45));
        assert_eq!(schedule.advance(Nanoseconds(1_600)), 1);
        assert_eq!(schedule.wait(Nanoseconds(1_600)), Duration::from_nanos(100));
    }

    #[test]
    fn a_new_interval_counts_from_the_change_and_the_same_one_changes_nothing() {
        let mut schedule = Schedule::new(START, INTERVAL);
        schedule.set_interval(Nanoseconds(1_070), INTERVAL);
        assert_eq!(schedule.wait(Nanoseconds(1_070)), Duration::from_nanos(30));
        schedule.set_interval(Nanoseconds(1_070), Nanoseconds(10));
        assert_eq!(schedule.wait(Nanoseconds(1_070)), Duration::from_nanos(10));
    }

    #[test]
    fn no_time_and_no_interval_makes_it_panic() {
        let mut schedule = Schedule::new(Nanoseconds(u64::MAX), Nanoseconds(0));
        schedule.advance(Nanoseconds(u64::MAX));
        schedule.set_interval(Nanoseconds(0), Nanoseconds(u64::MAX));
        assert!(schedule.wait(Nanoseconds(0)) > Duration::ZERO);
    }
}
