//! The tree that gives an address's class of sets.

use std::collections::HashMap;
use std::sync::Arc;

use stormbolt_common::classifier::{CHOICE_BITS, RANGE_BOUNDS, lane};

use super::membership::{Range, Start};
use super::node::{Node, NodeKind, Run};
use super::place::CUT_WORDS;
use super::prefix::Family;

/// The widest cut, in bits. Cuts have about twice as many values as something changes at within them, so
/// wide ones stand where prefixes are dense and cost memory in proportion.
const WIDTH: u32 = 16;
/// Cuts after which each takes as many bits as [`DEEP_WIDTH`] whatever there is, so that every walk ends
/// within [`stormbolt_common::classifier::MAX_CUTS`]: the 16 that are left are four per word.
const DEEP: u32 = 8;
const DEEP_WIDTH: u32 = 8;

/// A tree, and the words that its new parts take.
#[derive(Clone, Debug)]
pub(super) struct SetTree {
    pub(super) root: Arc<Node>,
    pub(super) words: u64,
}

/// Builds the tree of one family from its classes.
pub(super) fn build(starts: &[Start], family: Family) -> SetTree {
    Builder::of(family, &[]).whole(starts, None)
}

/// The tree of the classes that begin at `starts`, with the parts of `old` outside of the `changed`
/// ranges, which are in order and apart.
pub(super) fn change(
    old: &Arc<Node>,
    starts: &[Start],
    changed: &[Range],
    family: Family,
) -> SetTree {
    Builder::of(family, changed).whole(starts, Some(old))
}

/// Addresses that begin alike.
#[derive(Clone, Copy)]
struct Region {
    first: u128,
    /// Bits that are not decided, the lowest ones of the address.
    bits: u32,
}

impl Region {
    fn last(self) -> u128 {
        match self.bits {
            128 => u128::MAX,
            bits => self.first + ((1_u128 << bits) - 1),
        }
    }
}

struct Builder<'c> {
    family: Family,
    values: HashMap<u32, Arc<Node>>,
    changed: &'c [Range],
    words: u64,
}

impl<'c> Builder<'c> {
    fn of(family: Family, changed: &'c [Range]) -> Self {
        Self {
            family,
            values: HashMap::new(),
            changed,
            words: 0,
        }
    }

    fn whole(mut self, starts: &[Start], old: Option<&Arc<Node>>) -> SetTree {
        let region = Region {
            first: 0,
            bits: self.family.bits(),
        };
        let root = match starts.split_first() {
            Some((first, changes)) => self.build(first.class, changes, region, 0, old),
            None => Node::new(NodeKind::Nothing),
        };
        SetTree {
            root,
            words: self.words,
        }
    }

    fn is_changed(&self, region: Region) -> bool {
        let first = self.changed.partition_point(|one| one.last < region.first);
        let next = self.changed.get(first);
        next.is_some_and(|range| range.first <= region.last())
    }

    fn value(&mut self, class: u32) -> Arc<Node> {
        let new = || Node::new(NodeKind::Value(class));
        Arc::clone(self.values.entry(class).or_insert_with(new))
    }

    /// The tree of `region`, whose first address is in `class`; `changes` are those within it. `old` is
    /// the tree that the region had.
    fn build(
        &mut self,
        class: u32,
        changes: &[Start],
        region: Region,
        depth: u32,
        old: Option<&Arc<Node>>,
    ) -> Arc<Node> {
        if let Some(old) = old.filter(|_| !self.is_changed(region)) {
            return Arc::clone(old);
        }
        if changes.is_empty() || region.bits == 0 {
            return self.value(class);
        }
        if let Some(node) = self.range(class, changes, region, depth, old) {
            return node;
        }
        if let Some(node) = self.choice(class, changes, region) {
            return node;
        }
        let width = if depth < DEEP {
            (changes.len().ilog2() + 1).min(WIDTH)
        } else {
            DEEP_WIDTH
        };
        let width = width.min(bits_in_word(region.bits));
        // A width that is nearly right and has parts to keep is better than the right one.
        let width = match old.map(|old| &old.kind) {
            Some(NodeKind::Bits { width: kept, .. }) if kept.abs_diff(width) <= 1 => *kept,
            _ => width,
        };
        self.bits(class, changes, region, width, depth, old)
    }

    fn bits(
        &mut self,
        class: u32,
        changes: &[Start],
        region: Region,
        width: u32,
        depth: u32,
        old: Option<&Arc<Node>>,
    ) -> Arc<Node> {
        let below = region.bits - width;
        let mut kept = match old.map(|old| &old.kind) {
            Some(NodeKind::Bits {
                width: of, runs, ..
            }) if *of == width => runs.as_slice(),
            _ => &[],
        };
        let mut class = class;
        let mut rest = changes;
        let mut runs: Vec<Run> = Vec::new();
        for value in 0..1_u32 << width {
            let child = Region {
                first: region.first + (u128::from(value) << below),
                bits: below,
            };
            // A change at its very first address decides its class.
            if let Some((start, behind)) = rest.split_first()
                && start.address == child.first
            {
                class = start.class;
                rest = behind;
            }
            let inside = rest.partition_point(|start| start.address <= child.last());
            let (inside, behind) = rest.split_at(inside);
            rest = behind;
            while kept.first().is_some_and(|run| run.end <= value) {
                kept = kept.split_at(1).1;
            }
            let old = kept.first().map(|run| &run.child);
            let node = self.build(class, inside, child, depth + 1, old);
            if let Some(start) = inside.last() {
                class = start.class;
            }
            match runs.last_mut() {
                Some(run) if Arc::ptr_eq(&run.child, &node) => run.end = value + 1,
                _ => runs.push(Run {
                    end: value + 1,
                    child: node,
                }),
            }
        }
        self.words += 1 << width;
        let (lane, shift) = self.position(below);
        Node::new(NodeKind::Bits {
            lane,
            shift,
            width,
            runs,
        })
    }

    /// A cut at up to four bounds in the highest 16 bits that are open, if so few part what changes
    /// there from what does not. Long ways without a fork are taken in few steps so.
    fn range(
        &mut self,
        class: u32,
        changes: &[Start],
        region: Region,
        depth: u32,
        old: Option<&Arc<Node>>,
    ) -> Option<Arc<Node>> {
        let word = (region.bits - 1) / 32 * 32;
        let lowest = word
            .max(region.bits.saturating_sub(16))
            .max(lowest_bit(changes)?);
        let parts = parts(class, changes, region, lowest)?;
        let mut last = [u16::MAX; RANGE_BOUNDS];
        for (bound, part) in last.iter_mut().zip(parts.iter().skip(1)) {
            *bound = u16::try_from((value_at(part.region.first, lowest) & 0xffff).checked_sub(1)?)
                .ok()?;
        }
        let (lane, shift) = self.position(lowest);
        let kept = old.filter(|old| is_range_at(old, lane, shift));
        let built = parts.iter().map(|part| {
            // Parts that reach over several values have no changes, and so no parts to keep.
            let bound = u16::try_from(value_at(part.region.first, lowest) & 0xffff).ok();
            let old = kept
                .zip(bound)
                .filter(|_| !part.changes.is_empty())
                .and_then(|(old, value)| only_value(old, value));
            self.build(part.class, part.changes, part.region, depth + 1, old)
        });
        let children = built.collect();
        self.words += u64::from(CUT_WORDS);
        Some(Node::new(NodeKind::Range {
            lane,
            shift,
            last,
            children,
        }))
    }

    /// A bit per value, where eight bits decide between two classes.
    fn choice(&mut self, class: u32, changes: &[Start], region: Region) -> Option<Arc<Node>> {
        let lowest = lowest_bit(changes)?;
        let other = changes.first()?.class;
        let two = changes
            .iter()
            .all(|start| start.class == class || start.class == other);
        // The window may reach above the region, where all addresses are alike.
        let fits = two && same_word(lowest, region.bits) && region.bits <= lowest + CHOICE_BITS;
        if !fits {
            return None;
        }
        let mut bits = [0_u64; 4];
        let mut current = class;
        let mut rest = changes.iter().peekable();
        for step in 0..1_u128 << (region.bits - lowest) {
            let address = region.first + (step << lowest);
            while let Some(start) = rest.next_if(|start| start.address <= address) {
                current = start.class;
            }
            if current == other {
                let value = usize::try_from(value_at(address, lowest) & 0xff).ok()?;
                *bits.get_mut(value / 64)? |= 1 << (value % 64);
            }
        }
        self.words += u64::from(CUT_WORDS);
        let (lane, shift) = self.position(lowest);
        Some(Node::new(NodeKind::Choice {
            lane,
            shift,
            bits,
            children: [self.value(class), self.value(other)],
        }))
    }

    /// The lane of a source address that has bit `bit` of the address, and where in it.
    fn position(&self, bit: u32) -> (u32, u32) {
        let word = match self.family {
            Family::Ipv4 => lane::ADDRESS_WORDS - 1,
            Family::Ipv6 => lane::ADDRESS_WORDS - 1 - bit / 32,
        };
        (lane::SOURCE + word, bit % 32)
    }
}

fn is_range_at(node: &Node, at_lane: u32, at_shift: u32) -> bool {
    matches!(node.kind, NodeKind::Range { lane, shift, .. } if lane == at_lane && shift == at_shift)
}

/// The part of a range cut that has this value and no other, unless it is the last one.
fn only_value(node: &Node, value: u16) -> Option<&Arc<Node>> {
    let NodeKind::Range { last, children, .. } = &node.kind else {
        return None;
    };
    let part = last.iter().take_while(|&&bound| bound < value).count();
    let first = match part.checked_sub(1) {
        Some(before) => last.get(before)?.checked_add(1)?,
        None => 0,
    };
    let is_only = first == value && *last.get(part)? == value;
    children.get(part).filter(|_| is_only)
}

/// A part of a range cut.
struct Part<'a> {
    region: Region,
    class: u32,
    changes: &'a [Start],
}

/// The parts into which the changes divide the values of the bits from `lowest` on: one for every
/// value within which something changes, one for all values between two of them. `None`: too many.
fn parts(class: u32, changes: &[Start], region: Region, lowest: u32) -> Option<Vec<Part<'_>>> {
    let below = Region {
        first: 0,
        bits: lowest,
    };
    let mut parts: Vec<Part<'_>> = vec![Part {
        region,
        class,
        changes: &[],
    }];
    let mut begin = |first: u128, class: u32, changes| {
        if parts.last().is_some_and(|part| part.region.first == first) {
            parts.pop();
        }
        parts.push(Part {
            region: Region { first, ..below },
            class,
            changes,
        });
        (parts.len() <= RANGE_BOUNDS + 1).then_some(())
    };
    let mut class = class;
    let mut rest = changes;
    while let Some(start) = rest.first() {
        let value = start.address >> lowest;
        let end = rest.partition_point(|change| change.address >> lowest == value);
        let (within, behind) = rest.split_at(end);
        rest = behind;
        let first = value << lowest;
        let (at_start, inside) = match within.split_first() {
            Some((first_change, inside)) if first_change.address == first => {
                (first_change.class, inside)
            }
            _ => (class, within),
        };
        begin(first, at_start, inside)?;
        if let Some(change) = inside.last() {
            class = change.class;
            let next = (value + 1) << lowest;
            let beyond = next > region.first + ((1_u128 << (region.bits - 1)) - 1) * 2 + 1;
            let at_once = rest
                .first()
                .is_some_and(|change| change.address >> lowest == value + 1);
            if !beyond && !at_once {
                begin(next, class, &[])?;
            }
        } else {
            class = at_start;
        }
    }
    Some(parts)
}

/// What a cut sees of an address from bit `lowest` on: the rest of the word.
fn value_at(address: u128, lowest: u32) -> u128 {
    (address >> (lowest / 32 * 32) & 0xffff_ffff) >> (lowest % 32)
}

/// How many of the `bits` lowest bits of an address the word of the highest of them has.
fn bits_in_word(bits: u32) -> u32 {
    (bits - 1) % 32 + 1
}

/// Whether the bits from `lowest` up to below `bits` lie in one word.
fn same_word(lowest: u32, bits: u32) -> bool {
    lowest / 32 == (bits - 1) / 32
}

/// The lowest bit that is one in any of the addresses.
fn lowest_bit(changes: &[Start]) -> Option<u32> {
    let bits = changes.iter().map(|start| start.address.trailing_zeros());
    bits.min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The class that the tree gives an address, and the cuts on the way.
    fn look_up(root: &Arc<Node>, family: Family, address: u128) -> (u32, u32) {
        let mut node = Arc::clone(root);
        let mut cuts = 0;
        let value = |lane: u32, shift: u32| {
            let word = if family == Family::Ipv4 { 0 } else { 3 - lane };
            u32::try_from(address >> (32 * word) & 0xffff_ffff).unwrap() >> shift
        };
        loop {
            let next = match &node.kind {
                NodeKind::Value(class) => return (*class, cuts),
                NodeKind::Bits {
                    lane,
                    shift,
                    width,
                    runs,
                } => {
                    let index = value(*lane, *shift) & ((1 << width) - 1);
                    let run = runs.iter().find(|run| index < run.end).unwrap();
                    Arc::clone(&run.child)
                }
                NodeKind::Range {
                    lane,
                    shift,
                    last,
                    children,
                } => {
                    let value = value(*lane, *shift) & 0xffff;
                    let part = last.iter().filter(|&&last| value > u32::from(last)).count();
                    Arc::clone(&children[part])
                }
                NodeKind::Choice {
                    lane,
                    shift,
                    bits,
                    children,
                } => {
                    let value = usize::try_from(value(*lane, *shift) & 255).unwrap();
                    let bit = bits[value / 64] >> (value % 64) & 1;
                    Arc::clone(&children[usize::try_from(bit).unwrap()])
                }
                NodeKind::Nothing | NodeKind::Leaf { .. } => panic!("{node:?}"),
            };
            node = next;
            cuts += 1;
        }
    }

    fn starts(changes: Vec<(u128, u32)>, family: Family) -> Vec<Start> {
        let mut starts = vec![Start {
            address: 0,
            class: 0,
        }];
        for (address, class) in changes {
            let address = address & family.last_address();
            if address > starts.last().unwrap().address && class != starts.last().unwrap().class {
                starts.push(Start { address, class });
            }
        }
        starts
    }

    /// Addresses that begin alike, so that they part late.
    fn address() -> impl Strategy<Value = u128> {
        let near = (any::<u8>(), 0_u32..128).prop_map(|(low, shift)| {
            0x2001_0db8_0000_0000_0000_0000_0a00_0000_u128 ^ u128::from(low) << shift
        });
        prop_oneof![4 => near, 1 => any::<u128>()]
    }

    proptest! {
        #[test]
        fn every_address_gets_its_class_within_a_walk(
            mut changes in proptest::collection::vec((address(), 0_u32..3), 0..300),
            others in proptest::collection::vec(address(), 20),
            is_ipv4 in any::<bool>(),
        ) {
            let family = if is_ipv4 { Family::Ipv4 } else { Family::Ipv6 };
            for (address, _) in &mut changes {
                *address &= family.last_address();
            }
            changes.sort_unstable();
            let starts = starts(changes, family);
            let tree = build(&starts, family).root;
            let near = starts.iter().flat_map(|start| [start.address.wrapping_sub(1), start.address, start.address + 1]);
            for address in near.chain(others) {
                let address = address & family.last_address();
                let position = starts.partition_point(|start| start.address <= address) - 1;
                let (class, cuts) = look_up(&tree, family, address);
                prop_assert_eq!(class, starts[position].class);
                prop_assert!(cuts <= stormbolt_common::classifier::MAX_CUTS, "{} cuts", cuts);
            }
        }
    }
}
