//! Which addresses are in which lists of prefixes, as one partition of the address space.
//!
//! Addresses that are in the same lists form a *class*: rules with long or negated lists compare an
//! address's class instead of its prefixes, and all such rules share one look at the address.

use std::collections::HashMap;

use ipnet::IpNet;

use super::intervals::Intervals;
use super::prefix::{Family, Prefix};

/// Numbers that classes can have: conditions keep them in 16 bits.
const MAX_SET_CLASSES: usize = 65_536;

/// The lists fall into more classes than there are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyClasses;

/// From one address on, all addresses are in this class, up to the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) address: u128,
    pub(super) class: u32,
}

/// The classes of all addresses.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    /// Ascending, the first at address zero, neighbours in different classes.
    pub(super) ipv4: Vec<Start>,
    /// Likewise.
    pub(super) ipv6: Vec<Start>,
    /// The lists that the addresses of each class are in, a bit per list. Class 0 is in none.
    members: Vec<Vec<u64>>,
}

impl Partition {
    /// Parts the addresses by the lists that they are in.
    pub(super) fn of(lists: &[Vec<&IpNet>]) -> Result<Self, TooManyClasses> {
        let mut classes = Classes::new(lists.len());
        let mut sweep = |family| sweep(lists, family, &mut classes);
        let (ipv4, ipv6) = (sweep(Family::Ipv4)?, sweep(Family::Ipv6)?);
        let mut members = vec![Vec::new(); classes.numbers.len()];
        for (lists, class) in classes.numbers {
            let slot = usize::try_from(class)
                .ok()
                .and_then(|at| members.get_mut(at));
            if let Some(slot) = slot {
                *slot = lists;
            }
        }
        Ok(Self {
            ipv4,
            ipv6,
            members,
        })
    }

    /// Number of classes, at least one.
    pub(super) fn classes(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX).max(1)
    }

    /// The classes whose addresses are in `list`, or those whose are not.
    pub(super) fn classes_of(&self, list: usize, negated: bool) -> Intervals {
        let is_in = |lists: &Vec<u64>| bit(lists, list) != negated;
        let numbered = (0_u32..).zip(&self.members);
        let chosen = numbered.filter(|(_, lists)| is_in(lists));
        Intervals::any_of(chosen.map(|(class, _)| (class, class)))
    }
}

fn bit(words: &[u64], position: usize) -> bool {
    words
        .get(position / 64)
        .is_some_and(|word| word >> (position % 64) & 1 != 0)
}

/// Numbers for the combinations of lists, in order of first use.
struct Classes {
    numbers: HashMap<Vec<u64>, u32>,
    words: usize,
}

impl Classes {
    fn new(lists: usize) -> Self {
        let words = lists.div_ceil(64);
        Self {
            numbers: HashMap::from([(vec![0; words], 0)]),
            words,
        }
    }

    fn number(&mut self, lists: &[u64]) -> Result<u32, TooManyClasses> {
        if let Some(&number) = self.numbers.get(lists) {
            return Ok(number);
        }
        let next = self.numbers.len();
        if next >= MAX_SET_CLASSES {
            return Err(TooManyClasses);
        }
        let number = u32::try_from(next).map_err(|_| TooManyClasses)?;
        self.numbers.insert(lists.to_vec(), number);
        Ok(number)
    }
}

/// Where a list's addresses begin or end.
struct Event {
    address: u128,
    list: usize,
    enters: bool,
}

/// Goes through the addresses of a family from the lowest to the highest.
fn sweep(
    lists: &[Vec<&IpNet>],
    family: Family,
    classes: &mut Classes,
) -> Result<Vec<Start>, TooManyClasses> {
    let mut events = Vec::new();
    for (list, nets) in lists.iter().enumerate() {
        add_events(nets, family, list, &mut events);
    }
    events.sort_unstable_by_key(|event| event.address);
    let mut inside = vec![0_u64; classes.words];
    let mut starts = vec![Start {
        address: 0,
        class: 0,
    }];
    let mut events = events.into_iter().peekable();
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
            .ipv4
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
            partition.ipv6,
            [Start {
                address: 0,
                class: 3
            }]
        );
        assert_eq!(partition.classes(), 4);
        assert_eq!(partition.classes_of(0, false), Intervals::any_of([(1, 2)]));
        assert_eq!(partition.classes_of(1, true), Intervals::any_of([(0, 1)]));
    }
}
