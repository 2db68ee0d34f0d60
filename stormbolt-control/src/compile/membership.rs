//! Which addresses are in which lists of prefixes, as one partition of the address space.
//!
//! Addresses that are in the same lists form a *class*: rules with long or negated lists compare an
//! address's class instead of its prefixes, and all such rules share one look at the address.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::intervals::Intervals;
use super::prefix::{Family, Prefix};
use super::side::List;
use crate::policy::Set;

/// Numbers that classes can have: conditions keep them in 16 bits.
const MAX_SET_CLASSES: usize = 65_536;

/// Words of 64 lists that all classes may take: 128 MiB, twice.
const MAX_MEMBER_WORDS: usize = 1 << 24;

/// The lists fall into more classes than there are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyClasses;

/// From one address on, all addresses are in this class, up to the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) address: u128,
    pub(super) class: u32,
}

/// Addresses from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub(super) first: u128,
    pub(super) last: u128,
}

impl Range {
    /// Puts ranges in order and joins those that overlap.
    pub(super) fn join(ranges: &mut Vec<Self>) {
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let overlaps = next.first <= before.last;
            if overlaps {
                before.last = before.last.max(next.last);
            }
            overlaps
        });
    }
}

/// The classes of all addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    /// Ascending, the first at address zero, neighbours in different classes.
    ipv4: Vec<Start>,
    /// Likewise.
    ipv6: Vec<Start>,
    classes: Classes,
    /// The classes that are in each list.
    of_list: Vec<Vec<u32>>,
    /// Whether the last change brought new classes.
    has_grown: bool,
}

impl Partition {
    /// Parts the addresses by the lists that they are in.
    pub(super) fn of(lists: &[Vec<&IpNet>]) -> Result<Self, TooManyClasses> {
        let mut classes = Classes::new(lists.len());
        let mut sweep = |family| {
            let all = Range {
                first: 0,
                last: Family::last_address(family),
            };
            sweep(lists, family, all, &mut classes)
        };
        let (ipv4, ipv6) = (sweep(Family::Ipv4)?, sweep(Family::Ipv6)?);
        Ok(Self {
            ipv4,
            ipv6,
            of_list: classes.by_list(lists.len()),
            classes,
            has_grown: false,
        })
    }

    /// Where the classes of a family begin.
    pub(super) fn starts(&self, family: Family) -> &[Start] {
        match family {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => &self.ipv6,
        }
    }

    /// Parts the addresses in `ranges` anew, which are in order and apart. `None`: start anew.
    pub(super) fn change(
        &mut self,
        family: Family,
        ranges: &[Range],
        lists: &[List],
        sets: &[Arc<Set>],
    ) -> Option<()> {
        if family == Family::Ipv4 {
            self.has_grown = false;
        }
        if ranges.is_empty() {
            return Some(());
        }
        let before = self.classes();
        let old = match family {
            Family::Ipv4 => std::mem::take(&mut self.ipv4),
            Family::Ipv6 => std::mem::take(&mut self.ipv6),
        };
        let mut starts = Vec::with_capacity(old.len() + 2 * ranges.len());
        let mut rest = old.as_slice();
        for &range in ranges {
            let (ahead, others) =
                rest.split_at(rest.partition_point(|one| one.address < range.first));
            starts.extend_from_slice(ahead);
            let near = lists.iter().map(|list| list.around(range, family, sets));
            let near = near.collect::<Option<Vec<_>>>()?;
            let near: Vec<Vec<&IpNet>> = near.iter().map(|nets| nets.iter().collect()).collect();
            for start in sweep(&near, family, range, &mut self.classes).ok()? {
                enter(&mut starts, start.address, start.class);
            }
            rest = others
                .split_at(others.partition_point(|one| one.address <= range.last))
                .1;
            if range.last < family.last_address() {
                // Behind the range everything is as it was.
                let position = old.partition_point(|one| one.address <= range.last + 1);
                let class = old.get(position.checked_sub(1)?)?.class;
                enter(&mut starts, range.last + 1, class);
                let given = |one: &Start| one.address == range.last + 1;
                if let Some((_, others)) = rest.split_first().filter(|(next, _)| given(next)) {
                    rest = others;
                }
            }
        }
        starts.extend_from_slice(rest);
        match family {
            Family::Ipv4 => self.ipv4 = starts,
            Family::Ipv6 => self.ipv6 = starts,
        }
        if self.classes() > before {
            self.has_grown = true;
            self.of_list = self.classes.by_list(lists.len());
        }
        Some(())
    }

    /// Whether the last change brought new classes.
    pub(super) fn has_grown(&self) -> bool {
        self.has_grown
    }

    /// Number of classes, at least one.
    pub(super) fn classes(&self) -> u32 {
        u32::try_from(self.classes.members.len())
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// The classes whose addresses are in `list`, or, of all numbers up to `highest`, the others.
    pub(super) fn classes_of(&self, list: usize, negated: bool, highest: u32) -> Intervals {
        let classes = self.of_list.get(list).into_iter().flatten();
        let within = Intervals::any_of(classes.map(|&class| (class, class)));
        if negated {
            within.complement(highest)
        } else {
            within
        }
    }
}

/// Numbers for the combinations of lists, in order of first use.
#[derive(Clone, Debug, Default)]
struct Classes {
    numbers: HashMap<Vec<u64>, u32>,
    /// The lists that the addresses of each class are in, a bit per list. Class 0 is in none.
    members: Vec<Vec<u64>>,
    words: usize,
}

impl Classes {
    fn new(lists: usize) -> Self {
        let words = lists.div_ceil(64);
        Self {
            numbers: HashMap::from([(vec![0; words], 0)]),
            members: vec![vec![0; words]],
            words,
        }
    }

    fn number(&mut self, lists: &[u64]) -> Result<u32, TooManyClasses> {
        if let Some(&number) = self.numbers.get(lists) {
            return Ok(number);
        }
        let next = self.members.len();
        if next >= MAX_SET_CLASSES || next * self.words > MAX_MEMBER_WORDS {
            return Err(TooManyClasses);
        }
        let number = u32::try_from(next).map_err(|_| TooManyClasses)?;
        self.numbers.insert(lists.to_vec(), number);
        self.members.push(lists.to_vec());
        Ok(number)
    }

    /// The classes that are in each of so many lists.
    fn by_list(&self, lists: usize) -> Vec<Vec<u32>> {
        let mut of_list = vec![Vec::new(); lists];
        for (class, members) in (0_u32..).zip(&self.members) {
            for (position, &word) in members.iter().enumerate() {
                let mut rest = word;
                while rest != 0 {
                    let bit = usize::try_from(rest.trailing_zeros()).unwrap_or(0);
                    if let Some(classes) = of_list.get_mut(position * 64 + bit) {
                        classes.push(class);
                    }
                    rest &= rest - 1;
                }
            }
        }
        of_list
    }
}

/// Where a list's addresses begin or end.
struct Event {
    address: u128,
    list: usize,
    enters: bool,
}

/// Goes through the addresses of a range from the lowest to the highest; the lists have at least the
/// prefixes that have addresses in it.
fn sweep(
    lists: &[Vec<&IpNet>],
    family: Family,
    range: Range,
    classes: &mut Classes,
) -> Result<Vec<Start>, TooManyClasses> {
    let mut events = Vec::new();
    for (list, nets) in lists.iter().enumerate() {
        add_events(nets, family, list, &mut events);
    }
    events.sort_unstable_by_key(|event| event.address);
    let mut inside = vec![0_u64; classes.words];
    let mut starts = vec![Start {
        address: range.first,
        class: 0,
    }];
    for event in &mut events {
        event.address = event.address.max(range.first);
    }
    let inside_range = |event: &Event| event.address <= range.last;
    let mut events = events.into_iter().filter(inside_range).peekable();
    while let Some(event) = events.next() {
        if let Some(word) = inside.get_mut(event.list / 64) {
            let bit = 1 << (event.list % 64);
            *word = if event.enters {
                *word | bit
            } else {
                *word & !bit
            };
        }
        let is_last = events
            .peek()
            .is_none_or(|next| next.address != event.address);
        if is_last {
            enter(&mut starts, event.address, classes.number(&inside)?);
        }
    }
    Ok(starts)
}

/// From `address` on, addresses are in `class`.
fn enter(starts: &mut Vec<Start>, address: u128, class: u32) {
    if starts.last().is_some_and(|last| last.address == address) {
        starts.pop();
    }
    if starts.last().is_none_or(|last| last.class != class) {
        starts.push(Start { address, class });
    }
}

/// Adds where the union of the prefixes begins and ends; in a list, prefixes may lie in others.
fn add_events(nets: &[&IpNet], family: Family, list: usize, events: &mut Vec<Event>) {
    let all = nets.iter().map(|net| Prefix::of(net));
    let of_family = all.filter(|(of, _)| *of == family);
    let mut prefixes: Vec<Prefix> = of_family.map(|(_, prefix)| prefix).collect();
    prefixes.sort_unstable();
    // The end of what the prefixes so far cover; beyond the last address there is none.
    let mut covered_to: Option<u128> = None;
    let mut open = false;
    for prefix in prefixes {
        let highest = prefix.last(family);
        let touches = open && covered_to.is_none_or(|end| prefix.first <= end);
        if !touches {
            if let (true, Some(end)) = (open, covered_to) {
                events.push(Event {
                    address: end,
                    list,
                    enters: false,
                });
            }
            events.push(Event {
                address: prefix.first,
                list,
                enters: true,
            });
            covered_to = Some(prefix.first);
            open = true;
        }
        let end = (highest < family.last_address()).then(|| highest + 1);
        covered_to = match (covered_to, end) {
            (Some(before), Some(end)) => Some(before.max(end)),
            _ => None,
        };
    }
    if let (true, Some(end)) = (open, covered_to) {
        events.push(Event {
            address: end,
            list,
            enters: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parted_by_the_lists_that_they_are_in() {
        let nets = |texts: &[&str]| -> Vec<IpNet> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let wide = nets(&["10.0.0.0/8", "10.1.0.0/16", "255.0.0.0/8"]);
        let inner = nets(&["10.1.0.0/16", "11.0.0.0/8", "::/0"]);
        let lists = [wide.iter().collect(), inner.iter().collect()];
        let partition = Partition::of(&lists).unwrap();
        let found: Vec<_> = partition
            .starts(Family::Ipv4)
            .iter()
            .map(|start| (start.address, start.class))
            .collect();
        assert_eq!(
            found,
            [
                (0, 0),
                (0x0a00_0000, 1),
                (0x0a01_0000, 2),
                (0x0a02_0000, 1),
                (0x0b00_0000, 3),
                (0x0c00_0000, 0),
                (0xff00_0000, 1),
            ]
        );
        assert_eq!(
            partition.starts(Family::Ipv6),
            [Start {
                address: 0,
                class: 3
            }]
        );
        assert_eq!(partition.classes(), 4);
        assert_eq!(
            partition.classes_of(0, false, 3),
            Intervals::any_of([(1, 2)])
        );
        assert_eq!(
            partition.classes_of(1, true, 3),
            Intervals::any_of([(0, 1)])
        );
    }
}
