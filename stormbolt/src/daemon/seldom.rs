//! Says seldom what happens often.

use stormbolt_control::units::Nanoseconds;

/// How much time lies between two times that it is said.
const PAUSE: Nanoseconds = Nanoseconds::from_millis(10_000);

/// Something that may happen at every tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seldom {
    said: Option<Nanoseconds>,
    since: u64,
}

impl Seldom {
    /// It has happened at `now`. If it is time to say so: how often since that was said last.
    pub(super) fn times(&mut self, now: Nanoseconds) -> Option<u64> {
        self.since += 1;
        if self.said.is_some_and(|said| now.since(said) < PAUSE) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_said_seldom_and_counted() {
        let mut seldom = Seldom::default();
        let mut at = |milliseconds| seldom.times(Nanoseconds::from_millis(milliseconds));
        assert_eq!(at(1), Some(1));
        assert_eq!((at(2), at(9_999), at(10_000)), (None, None, None));
        assert_eq!(at(10_001), Some(4));
        assert_eq!(at(10_002), None);
    }
}
