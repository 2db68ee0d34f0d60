//! What is known of the rules that were compiled last, so that a change costs what has changed.

mod change;

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_common::classifier::lane;
use stormbolt_common::flow_cache::FlowMask;
use stormbolt_common::policy::{DESTINATION_SETS, SOURCE_SETS};

pub(super) use change::Delta;

use super::compiler::{Input, Progress, Watch};
use super::condition::Target;
use super::error::CompileError;
use super::fields::{ByField, Fields, domains, field};
use super::intervals::Interval;
use super::item::{Item, ipv4_words, ipv6_words};
use super::looks::Looks;
use super::membership::Partition;
use super::node::Node;
use super::prefix::Family;
use super::set_tree::{self, SetTree};
use super::side::{List, Side};
use crate::policy::{Rule, Set};

/// The rules of a policy as items, in the rules' order, and all that is needed to change them.
///
/// A rule has a *slot* for as long as it stays in the policy, wherever other rules put it.
pub(super) struct Known {
    pub(super) ipv4: Vec<Item<2>>,
    pub(super) ipv6: Vec<Item<8>>,
    /// Different fields, each once, by number.
    pub(super) fields: Vec<Arc<Fields>>,
    field_numbers: HashMap<Arc<Fields>, u32>,
    /// Priority and entry, by slot.
    pub(super) targets: Vec<Target>,
    /// How the addresses are looked at, by slot.
    sides: Vec<[Side; 2]>,
    /// Number of the fields, by slot; `None` where no packet is accepted.
    fields_of_slot: Vec<Option<u32>>,
    /// Slots in the order of the rules.
    slots: Vec<u32>,
    /// Slots without a rule.
    free: Vec<u32>,
    /// All values that each field can have.
    pub(super) domains: ByField<Interval>,
    partition: Partition,
    lists: Vec<List>,
    list_numbers: HashMap<List, usize>,
    sets: Vec<Arc<Set>>,
    interfaces: Vec<u32>,
    looks: Looks,
}

/// Items of some rules, in their order.
#[derive(Default)]
struct Made {
    ipv4: Vec<Item<2>>,
    ipv6: Vec<Item<8>>,
}

impl Known {
    /// All of a policy's rules.
    pub(super) fn of(input: &Input<'_>, watch: &mut dyn Watch) -> Result<Self, CompileError> {
        let mut known = Self {
            ipv4: Vec::new(),
            ipv6: Vec::new(),
            fields: Vec::new(),
            field_numbers: HashMap::new(),
            targets: Vec::with_capacity(input.rules.len()),
            sides: Vec::with_capacity(input.rules.len()),
            fields_of_slot: vec![None; input.rules.len()],
            slots: (0_u32..).zip(input.rules).map(|(slot, _)| slot).collect(),
            free: Vec::new(),
            domains: domains(1),
            partition: Partition::default(),
            lists: Vec::new(),
            list_numbers: HashMap::new(),
            sets: input.sets.to_vec(),
            interfaces: input.interfaces.to_vec(),
            looks: Looks::default(),
        };
        for rule in input.rules {
            let sides = known.sides_of(rule, true).unwrap_or([Side::Any; 2]);
            known.sides.push(sides);
        }
        known.partition = known.parted()?;
        watched(watch)?;
        known.domains = domains(room(known.partition.classes()));
        let count = u32::try_from(input.rules.len()).unwrap_or(u32::MAX);
        // Priorities leave room for rules to come between these.
        let gap = u32::MAX / count.saturating_add(2);
        let mut made = Made::default();
        for ((slot, rule), &entry) in (0_u32..).zip(input.rules).zip(input.entries) {
            if slot.is_multiple_of(RULES_A_LOOK) {
                watched(watch)?;
            }
            known.targets.push(Target {
                priority: (slot + 1) * gap,
                entry,
            });
            known.add_items(slot, rule, &mut made);
        }
        known.ipv4 = made.ipv4;
        known.ipv6 = made.ipv6;
        Ok(known)
    }

    /// The classes of all addresses.
    fn parted(&self) -> Result<Partition, CompileError> {
        let size = |list: &List| list.prefixes(&self.sets).count();
        let prefixes: usize = self.lists.iter().map(size).sum();
        if prefixes > MAX_LISTED_PREFIXES {
            return Err(CompileError::TooManyListedPrefixes { prefixes });
        }
        let lists = self.lists.iter();
        let lists: Vec<Vec<&IpNet>> = lists
            .map(|list| list.prefixes(&self.sets).collect())
            .collect();
        Partition::of(&lists).map_err(|_| CompileError::TooManySetClasses)
    }

    /// Which sides of packets are looked up in sets: [`SOURCE_SETS`] and [`DESTINATION_SETS`].
    pub(super) fn used_sets(&self) -> u32 {
        let sides = |slot: &u32| self.sides.get(usize::try_from(*slot).ok()?);
        let mut used = 0;
        for [source, destination] in self.slots.iter().filter_map(sides) {
            for (side, bit) in [(source, SOURCE_SETS), (destination, DESTINATION_SETS)] {
                if matches!(side, Side::Set(..)) {
                    used |= bit;
                }
            }
        }
        used
    }

    /// What of packets the rules look at; perhaps more than they do now.
    pub(super) fn flow_mask(&self) -> FlowMask {
        self.looks.mask()
    }

    /// The tree of an address's class of sets.
    pub(super) fn set_tree(&self, family: Family) -> SetTree {
        let starts = if self.lists.is_empty() {
            &[]
        } else {
            self.partition.starts(family)
        };
        set_tree::build(starts, family)
    }

    /// The tree of an address's class of sets, which was `old` before the change.
    pub(super) fn changed_set_tree(
        &self,
        old: &Arc<Node>,
        family: Family,
        delta: &Delta,
    ) -> SetTree {
        let changed = delta.ranges(family);
        if changed.is_empty() {
            return SetTree {
                root: Arc::clone(old),
                words: 0,
            };
        }
        set_tree::change(old, self.partition.starts(family), changed, family)
    }

    /// How a rule's addresses are looked at; `None` where that takes a list that is not there and may
    /// not be added.
    fn sides_of(&mut self, rule: &Rule, may_add: bool) -> Option<[Side; 2]> {
        let Self {
            lists,
            list_numbers,
            sets,
            ..
        } = self;
        let mut number = |list: List| {
            if let Some(&number) = list_numbers.get(&list) {
                return Some(number);
            }
            let next = lists.len();
            may_add.then(|| {
                lists.push(list.clone());
                list_numbers.insert(list, next);
                next
            })
        };
        Some([
            Side::of(rule.matches.source.as_ref(), sets, &mut number)?,
            Side::of(rule.matches.destination.as_ref(), sets, &mut number)?,
        ])
    }

    /// The number of the fields of the rule in `slot`; `None` where it accepts no packet.
    fn fields_of(&mut self, slot: u32, rule: &Rule) -> Option<u32> {
        let mut fields = Fields::of(&rule.matches, &self.interfaces, &self.domains);
        let lanes = [lane::SOURCE_SETS, lane::DESTINATION_SETS];
        let sides = self.sides.get(index(slot))?;
        for (side, lane) in sides.iter().zip(lanes) {
            if let Side::Set(list, negated) = *side
                && let Some(accepted) = fields.accepted.get_mut(field(lane))
            {
                let domain = self.domains.get(field(lane))?;
                *accepted = self.partition.classes_of(list, negated, domain.last);
            }
        }
        if fields.is_impossible() {
            return None;
        }
        if let Some(&number) = self.field_numbers.get(&fields) {
            return Some(number);
        }
        let number = u32::try_from(self.fields.len()).unwrap_or(u32::MAX);
        self.looks.add_fields(&fields, &self.domains);
        let fields = Arc::new(fields);
        self.fields.push(Arc::clone(&fields));
        self.field_numbers.insert(fields, number);
        Some(number)
    }

    /// Adds the items of a rule.
    fn add_items(&mut self, slot: u32, rule: &Rule, made: &mut Made) {
        let fields = self.fields_of(slot, rule);
        if let Some(known) = self.fields_of_slot.get_mut(index(slot)) {
            *known = fields;
        }
        let Some(fields) = fields else { return };
        let Some(sides @ [source, destination]) = self.sides.get(index(slot)) else {
            return;
        };
        self.looks.add_sides(*sides);
        let matches = &rule.matches;
        for family in Family::BOTH {
            let sources = source.prefixes(matches.source.as_ref(), &self.sets, family);
            let destinations =
                destination.prefixes(matches.destination.as_ref(), &self.sets, family);
            for source in &sources {
                for destination in &destinations {
                    match family {
                        Family::Ipv4 => made.ipv4.push(Item {
                            value: ipv4_words(source.first, destination.first),
                            mask: ipv4_words(source.mask, destination.mask),
                            fields,
                            rule: slot,
                        }),
                        Family::Ipv6 => made.ipv6.push(Item {
                            value: ipv6_words(source.first, destination.first),
                            mask: ipv6_words(source.mask, destination.mask),
                            fields,
                            rule: slot,
                        }),
                    }
                }
            }
        }
    }
}

/// Prefixes that all lists may have together, those of a set once for every list that names it: they
/// are swept at once, which takes some 70 bytes each.
pub(super) const MAX_LISTED_PREFIXES: usize = 8 << 20;
/// Rules between two looks at whether anybody still waits.
const RULES_A_LOOK: u32 = 256;

fn watched(watch: &mut dyn Watch) -> Result<(), CompileError> {
    if watch.interrupted(Progress { words: 0 }) {
        return Err(CompileError::Interrupted);
    }
    Ok(())
}

/// Numbers of classes that there is room for, so that a new class seldom changes what fields can be.
fn room(classes: u32) -> u32 {
    if classes <= 1 {
        1
    } else {
        classes.checked_next_power_of_two().unwrap_or(classes)
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
