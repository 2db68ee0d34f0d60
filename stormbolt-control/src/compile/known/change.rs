//! From the rules of one policy to those of the next.

use std::sync::Arc;

use stormbolt_common::classifier::lane;

use super::super::compiler::Input;
use super::super::condition::Target;
use super::super::fields::field;
use super::super::item::Item;
use super::super::membership::Range;
use super::super::prefix::{Family, Prefix};
use super::super::side::Side;
use super::{Known, Made, index};
use crate::policy::{Rule, differing_prefixes};

/// Different fields that may be left over from rules that are gone, beside twice as many as rules.
const MAX_SPARE_FIELDS: usize = 1024;
/// Changed ranges of addresses, times lists of prefixes, up to which a change of sets is small.
const MAX_LOOKS: usize = 10_000;

/// What a change reaches.
#[derive(Default)]
pub(crate) struct Delta {
    /// Items that have come or gone.
    pub(in super::super) ipv4: Vec<Item<2>>,
    /// Likewise.
    pub(in super::super) ipv6: Vec<Item<8>>,
    /// Addresses whose sets may have changed, in order, IPv4 and IPv6.
    ranges: [Vec<Range>; 2],
}

impl Delta {
    /// Addresses whose sets may have changed, in order.
    pub(in super::super) fn ranges(&self, family: Family) -> &[Range] {
        let [ipv4, ipv6] = &self.ranges;
        match family {
            Family::Ipv4 => ipv4,
            Family::Ipv6 => ipv6,
        }
    }
}

/// The rules of the next policy, before they are known.
struct Next<'a> {
    input: &'a Input<'a>,
    /// Slots by position, of those that are kept.
    slots: Vec<Option<u32>>,
    /// By slot: whether its items are not what they were.
    stale: Vec<bool>,
    /// Rules whose items are not what they were, come or gone.
    changes: usize,
}

impl Known {
    /// Goes over to the rules of `input`; `kept` says which of them were there before, by position,
    /// ascending. `None` where starting anew is better or the only way; what is known is useless then.
    pub(in super::super) fn change(
        &mut self,
        input: &Input<'_>,
        kept: &[Option<u32>],
    ) -> Option<Delta> {
        let same_sets = self.sets.len() == input.sets.len()
            && self
                .sets
                .iter()
                .zip(input.sets)
                .all(|(old, new)| old.name == new.name);
        if !same_sets || self.interfaces != input.interfaces || kept.len() != input.rules.len() {
            return None;
        }
        // Fields that no rule has any more stay until everything is compiled anew.
        if self.fields.len() > 2 * self.targets.len() + MAX_SPARE_FIELDS {
            return None;
        }
        let mut delta = Delta::default();
        let changed_sets = self.change_sets(input, &mut delta)?;
        let mut next = self.next(input, kept);
        self.change_kept(&mut next, &changed_sets)?;
        let gone = self.gone(&mut next);
        self.enter_new(&mut next)?;
        if next.changes > input.rules.len() / 4 + 64 {
            return None;
        }
        self.free.extend(gone);
        self.slots = next.slots.iter().map(|slot| slot.unwrap_or(0)).collect();
        let mut made = Made::default();
        for (position, rule) in input.rules.iter().enumerate() {
            let slot = next.slots.get(position).copied().flatten()?;
            let is_stale = next.stale.get(index(slot)).copied().unwrap_or(true);
            if is_stale {
                self.add_items(slot, rule, &mut made);
            }
        }
        let Self {
            ipv4,
            ipv6,
            targets,
            ..
        } = self;
        exchange(ipv4, &next.stale, made.ipv4, targets, &mut delta.ipv4);
        exchange(ipv6, &next.stale, made.ipv6, targets, &mut delta.ipv6);
        Some(delta)
    }

    /// Takes the new sets over, and says which have changed.
    fn change_sets(&mut self, input: &Input<'_>, delta: &mut Delta) -> Option<Vec<bool>> {
        let mut changed = vec![false; input.sets.len()];
        let mut ranges: [Vec<Range>; 2] = Default::default();
        let pairs = self
            .sets
            .iter()
            .zip(input.sets)
            .zip(&mut changed)
            .enumerate();
        for (position, ((old, new), changed)) in pairs {
            if Arc::ptr_eq(old, new) {
                continue;
            }
            let differing = differing_prefixes(&old.prefixes, &new.prefixes);
            *changed = !differing.is_empty();
            let is_looked_up = self.lists.iter().any(|list| list.sets.contains(&position));
            for net in differing.iter().filter(|_| is_looked_up) {
                let (family, prefix) = Prefix::of(net);
                let range = Range {
                    first: prefix.first,
                    last: prefix.last(family),
                };
                let [ipv4, ipv6] = &mut ranges;
                match family {
                    Family::Ipv4 => ipv4.push(range),
                    Family::Ipv6 => ipv6.push(range),
                }
            }
        }
        // Each range is looked for in every list, which takes longer than a sweep when they are many.
        let count: usize = ranges.iter().map(Vec::len).sum();
        if count.saturating_mul(self.lists.len()) > MAX_LOOKS {
            return None;
        }
        self.sets = input.sets.to_vec();
        for (family, ranges) in Family::BOTH.into_iter().zip(&mut ranges) {
            Range::join(ranges);
            self.partition
                .change(family, ranges, &self.lists, &self.sets)?;
        }
        let highest = self.domains.get(field(lane::SOURCE_SETS))?.last;
        if self.partition.classes() > highest + 1 {
            return None;
        }
        delta.ranges = ranges;
        Some(changed)
    }

    fn next<'a>(&self, input: &'a Input<'a>, kept: &[Option<u32>]) -> Next<'a> {
        let slot = |old: &Option<u32>| old.and_then(|old| self.slots.get(index(old)).copied());
        Next {
            input,
            slots: kept.iter().map(slot).collect(),
            stale: vec![false; self.targets.len()],
            changes: 0,
        }
    }

    /// Marks the rules that stay but mean something else now.
    fn change_kept(&mut self, next: &mut Next<'_>, changed_sets: &[bool]) -> Option<()> {
        let any_set = changed_sets.contains(&true);
        let positions = next
            .slots
            .iter()
            .zip(next.input.rules)
            .zip(next.input.entries);
        for ((slot, rule), &entry) in positions {
            let Some(slot) = *slot else { continue };
            let mut is_stale = false;
            let target = self.targets.get_mut(index(slot))?;
            if target.entry != entry {
                target.entry = entry;
                is_stale = true;
            }
            if any_set {
                is_stale |= self.is_changed_by_sets(slot, rule, changed_sets)?;
            }
            if is_stale {
                *next.stale.get_mut(index(slot))? = true;
                next.changes += 1;
            }
        }
        Some(())
    }

    /// Whether a rule's items change with the sets.
    fn is_changed_by_sets(&mut self, slot: u32, rule: &Rule, changed: &[bool]) -> Option<bool> {
        let before = *self.sides.get(index(slot))?;
        let addresses = [&rule.matches.source, &rule.matches.destination];
        let names_changed = addresses.into_iter().flatten().any(|addresses| {
            let mut sets = addresses.sets.iter();
            sets.any(|&set| changed.get(set).copied().unwrap_or(false))
        });
        if names_changed {
            let sides = self.sides_of(rule, false)?;
            *self.sides.get_mut(index(slot))? = sides;
            if sides != before || sides.contains(&Side::Prefixes) {
                return Some(true);
            }
        }
        // New classes may be accepted by any rule that looks addresses up in sets.
        let looks_up = before.iter().any(|side| matches!(side, Side::Set(..)));
        if !looks_up || !self.partition.has_grown() {
            return Some(false);
        }
        let known = self.fields_of_slot.get(index(slot)).copied()?;
        Some(self.fields_of(slot, rule) != known)
    }

    /// Marks the rules that are gone and returns their slots.
    fn gone(&self, next: &mut Next<'_>) -> Vec<u32> {
        let mut stays = vec![false; self.targets.len()];
        for slot in next.slots.iter().flatten() {
            if let Some(stays) = stays.get_mut(index(*slot)) {
                *stays = true;
            }
        }
        let is_gone = |slot: &&u32| !stays.get(index(**slot)).copied().unwrap_or(false);
        let gone: Vec<u32> = self.slots.iter().filter(is_gone).copied().collect();
        for &slot in &gone {
            if let Some(stale) = next.stale.get_mut(index(slot)) {
                *stale = true;
            }
        }
        next.changes += gone.len();
        gone
    }

    /// Gives new rules slots and priorities between those of their neighbours. `None` where there is
    /// no room.
    fn enter_new(&mut self, next: &mut Next<'_>) -> Option<()> {
        let mut position = 0;
        let mut above = 0;
        while position < next.slots.len() {
            if let Some(slot) = next.slots.get(position).copied().flatten() {
                above = self.targets.get(index(slot))?.priority;
                position += 1;
                continue;
            }
            let rest = next.slots.get(position..)?;
            let count = rest.iter().take_while(|slot| slot.is_none()).count();
            let below = match rest.get(count).copied().flatten() {
                Some(slot) => self.targets.get(index(slot))?.priority,
                None => u32::MAX,
            };
            let gap = (below - above) / (u32::try_from(count).ok()? + 1);
            if gap == 0 {
                return None;
            }
            for _ in 0..count {
                above += gap;
                let rule = next.input.rules.get(position)?;
                let target = Target {
                    priority: above,
                    entry: *next.input.entries.get(position)?,
                };
                let slot = self.enter(rule, target)?;
                if index(slot) >= next.stale.len() {
                    next.stale.resize(index(slot) + 1, true);
                }
                *next.stale.get_mut(index(slot))? = true;
                *next.slots.get_mut(position)? = Some(slot);
                position += 1;
            }
            next.changes += count;
        }
        Some(())
    }

    /// Gives a rule a slot.
    fn enter(&mut self, rule: &Rule, target: Target) -> Option<u32> {
        let sides = self.sides_of(rule, false)?;
        if let Some(slot) = self.free.pop() {
            *self.targets.get_mut(index(slot))? = target;
            *self.sides.get_mut(index(slot))? = sides;
            *self.fields_of_slot.get_mut(index(slot))? = None;
            return Some(slot);
        }
        let slot = u32::try_from(self.targets.len()).ok()?;
        self.targets.push(target);
        self.sides.push(sides);
        self.fields_of_slot.push(None);
        Some(slot)
    }
}

/// Takes the items of stale slots out and puts `made` in, by priority; all of these are `touched`.
fn exchange<const P: usize>(
    items: &mut Vec<Item<P>>,
    stale: &[bool],
    made: Vec<Item<P>>,
    targets: &[Target],
    touched: &mut Vec<Item<P>>,
) {
    let is_stale = |item: &Item<P>| stale.get(index(item.rule)).copied().unwrap_or(false);
    let priority = |item: &Item<P>| targets.get(index(item.rule)).map(|one| one.priority);
    let old = std::mem::take(items);
    items.reserve(old.len() + made.len());
    let mut new = made.iter().copied().peekable();
    for item in old {
        if is_stale(&item) {
            touched.push(item);
            continue;
        }
        while let Some(before) = new.next_if(|new| priority(new) < priority(&item)) {
            items.push(before);
        }
        items.push(item);
    }
    items.extend(new);
    touched.extend(made);
}
