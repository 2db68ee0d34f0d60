//! Divides things among the values of a cut.

use super::intervals::Interval;

/// Values of a cut with the same things.
#[derive(Debug)]
pub(super) struct Group<T> {
    pub(super) values: Interval,
    pub(super) members: Vec<T>,
}

/// Gives the intervals of a thing, one by one.
pub(super) type Intervals<'f, T> = &'f dyn Fn(T, &mut dyn FnMut(Interval));

/// Divides `things` among the values below `end`; neighbours with the same things stay together.
pub(super) fn group<T: Copy>(things: &[T], end: u32, intervals: Intervals<'_, T>) -> Vec<Group<T>> {
    let mut starts = Vec::new();
    add_bounds(things, intervals, &mut starts);
    let values = between(starts, end);
    let mut groups: Vec<Group<T>> = values.into_iter().map(Group::of).collect();
    distribute(things, intervals, &mut groups, |_| true);
    groups
}

/// Adds where the intervals of things begin, and where what lies behind them does.
pub(super) fn add_bounds<T: Copy>(
    things: &[T],
    intervals: Intervals<'_, T>,
    starts: &mut Vec<u32>,
) {
    for &thing in things {
        intervals(thing, &mut |one| starts.extend([one.first, one.last + 1]));
    }
}

/// The intervals between `starts`, from zero to below `end`.
pub(super) fn between(mut starts: Vec<u32>, end: u32) -> Vec<Interval> {
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|&start| start < end);
    let ends = starts.iter().skip(1).copied().chain([end]);
    let pairs = starts.iter().zip(ends);
    pairs
        .map(|(&first, next)| Interval {
            first,
            last: next - 1,
        })
        .collect()
}

impl<T> Group<T> {
    pub(super) fn of(values: Interval) -> Self {
        Self {
            values,
            members: Vec::new(),
        }
    }
}

/// In how many of `values` things lie, summed up; the values are in order.
pub(super) fn spread<T: Copy>(
    things: &[T],
    intervals: Intervals<'_, T>,
    values: &[Interval],
) -> usize {
    let mut sum = 0_usize;
    for &thing in things {
        intervals(thing, &mut |one| {
            let first = values.partition_point(|value| value.last < one.first);
            let behind = values.partition_point(|value| value.first <= one.last);
            sum = sum.saturating_add(behind.saturating_sub(first));
        });
    }
    sum
}

/// Adds things to those groups among whose values they have some and that are wanted, by position.
pub(super) fn distribute<T: Copy>(
    things: &[T],
    intervals: Intervals<'_, T>,
    groups: &mut [Group<T>],
    wanted: impl Fn(usize) -> bool,
) {
    for &thing in things {
        intervals(thing, &mut |one| {
            let first = groups.partition_point(|group| group.values.last < one.first);
            for (position, group) in groups.iter_mut().enumerate().skip(first) {
                if group.values.first > one.last {
                    break;
                }
                if wanted(position) {
                    group.members.push(thing);
                }
            }
        });
    }
}
