//! Sets of numbers as disjoint intervals.

/// An inclusive interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// Numbers: intervals in ascending order that neither overlap nor touch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Intervals(List);

/// Most fields accept one interval, and there are a dozen fields to a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum List {
    One(Interval),
    /// None, or more than one.
    Others(Box<[Interval]>),
}

impl Intervals {
    /// All numbers in any of `intervals`; those that are upside down have none.
    pub(super) fn any_of(intervals: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let given = intervals.into_iter().filter(|(first, last)| first <= last);
        let mut sorted: Vec<_> = given.collect();
        sorted.sort_unstable();
        let mut joined: Vec<Interval> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match joined.last_mut() {
                Some(before) if first <= before.last.saturating_add(1) => {
                    before.last = before.last.max(last);
                }
                _ => joined.push(Interval { first, last }),
            }
        }
        Self(match *joined {
            [only] => List::One(only),
            _ => List::Others(joined.into()),
        })
    }

    /// The numbers from zero to `highest` that are not in `self`.
    pub(super) fn complement(&self, highest: u32) -> Self {
        let mut next = 0;
        let mut gaps = Vec::new();
        for interval in self.all() {
            if let Some(last) = interval.first.checked_sub(1) {
                gaps.push((next, last.min(highest)));
            }
            next = interval.last.saturating_add(1);
        }
        gaps.push((next, highest));
        Self::any_of(gaps)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    #[inline]
    fn all(&self) -> &[Interval] {
        match &self.0 {
            List::One(only) => std::slice::from_ref(only),
            List::Others(intervals) => intervals,
        }
    }

    /// The intervals that have a number in `region`.
    #[inline]
    pub(super) fn within(&self, region: Interval) -> &[Interval] {
        let all = self.all();
        if let [only] = all {
            let meets = only.first <= region.last && region.first <= only.last;
            return if meets { all } else { &[] };
        }
        let start = all.partition_point(|one| one.last < region.first);
        let rest = all.get(start..).unwrap_or_default();
        let end = rest.partition_point(|one| one.first <= region.last);
        rest.get(..end).unwrap_or_default()
    }

    /// Whether any number in `region` is among them.
    #[inline]
    pub(super) fn meets(&self, region: Interval) -> bool {
        !self.within(region).is_empty()
    }

    /// Whether all numbers in `region` are among them.
    #[inline]
    pub(super) fn covers(&self, region: Interval) -> bool {
        let holds = |one: &Interval| one.first <= region.first && region.last <= one.last;
        self.within(region).first().is_some_and(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(first: u32, last: u32) -> Interval {
        Interval { first, last }
    }

    #[test]
    fn intervals_that_overlap_or_touch_become_one() {
        let joined = Intervals::any_of([(5, 7), (0, 1), (8, 9), (2, 1), (6, 6)]);
        assert_eq!(joined.all(), [interval(0, 1), interval(5, 9)]);
    }

    #[test]
    fn a_complement_has_what_is_missing() {
        let some = Intervals::any_of([(1, 2), (5, 9)]);
        let missing = some.complement(7);
        assert_eq!(missing.all(), [interval(0, 0), interval(3, 4)]);
        assert_eq!(Intervals::any_of([]).complement(3).all(), [interval(0, 3)]);
        assert!(Intervals::any_of([(0, 9)]).complement(9).is_empty());
    }

    #[test]
    fn a_region_is_met_and_covered_by_what_lies_in_it() {
        let some = Intervals::any_of([(1, 2), (5, 9), (20, 30)]);
        assert_eq!(
            some.within(interval(2, 5)),
            [interval(1, 2), interval(5, 9)]
        );
        assert!(!some.meets(interval(10, 19)) && some.meets(interval(9, 12)));
        assert!(some.covers(interval(6, 9)) && !some.covers(interval(6, 10)));
        assert!(!some.covers(interval(3, 3)));
    }
}
