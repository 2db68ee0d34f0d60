//! Rules as boxes: one source prefix, one destination prefix, and what is accepted of the rest.

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_common::classifier::lane;

use super::CompileError;
use super::fields::{ByField, Fields, domains, field};
use super::intervals::Interval;
use super::membership::Partition;
use super::prefix::{Family, Prefix};
use crate::policy::{Addresses, Rule, Set};

/// Prefixes that a rule may name for one address before they are looked up as a set instead.
const MAX_LISTED: usize = 16;

/// Where the words of an item's addresses stand: P is 2 for IPv4 and 8 for IPv6, source first.
pub(super) type Words<const P: usize> = [u32; P];

/// A box of packets that a rule accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<const P: usize> {
    /// The addresses' bits that count.
    pub(super) value: Words<P>,
    /// Which bits count.
    pub(super) mask: Words<P>,
    /// Index of its [`Fields`].
    pub(super) fields: u32,
    /// Position of its rule.
    pub(super) rule: u32,
}

/// All items of a list of rules, in the rules' order.
pub(super) struct Items {
    pub(super) ipv4: Vec<Item<2>>,
    pub(super) ipv6: Vec<Item<8>>,
    pub(super) fields: Vec<Fields>,
    pub(super) domains: ByField<Interval>,
    pub(super) partition: Partition,
    /// Whether any item asks for the sets of its source, and of its destination.
    pub(super) asks_for_sets: [bool; 2],
}

impl Items {
    pub(super) fn of(
        rules: &[Arc<Rule>],
        sets: &[Arc<Set>],
        interfaces: &[u32],
    ) -> Result<Self, CompileError> {
        let (lists, of_rule) = listed(rules, sets);
        let prefixes: Vec<Vec<&IpNet>> = lists.iter().map(|list| list.prefixes(sets)).collect();
        let partition = Partition::of(&prefixes).map_err(|_| CompileError::TooManySetClasses)?;
        let domains = domains(partition.classes());
        let mut items = Self {
            ipv4: Vec::new(),
            ipv6: Vec::new(),
            fields: Vec::new(),
            domains,
            partition,
            asks_for_sets: [false; 2],
        };
        let mut known = HashMap::new();
        for ((position, rule), of_rule) in (0_u32..).zip(rules).zip(of_rule) {
            let mut fields = Fields::of(&rule.matches, interfaces, &items.domains);
            let lanes = [lane::SOURCE_SETS, lane::DESTINATION_SETS];
            for ((side, lane), asks) in of_rule.iter().zip(lanes).zip(&mut items.asks_for_sets) {
                if let Side::Set(list, negated) = *side {
                    *asks = true;
                    if let Some(slot) = fields.accepted.get_mut(field(lane)) {
                        *slot = items.partition.classes_of(list, negated);
                    }
                }
            }
            if fields.is_impossible() {
                continue;
            }
            let next = u32::try_from(items.fields.len()).unwrap_or(u32::MAX);
            let number = *known.entry(fields.clone()).or_insert(next);
            if number == next {
                items.fields.push(fields);
            }
            items.add(position, number, &rule.matches, &of_rule, sets);
        }
        Ok(items)
    }

    fn add(
        &mut self,
        rule: u32,
        fields: u32,
        matches: &crate::policy::RuleMatch,
        [source, destination]: &[Side; 2],
        sets: &[Arc<Set>],
    ) {
        for family in Family::BOTH {
            let sources = source.prefixes(matches.source.as_ref(), sets, family);
            let destinations = destination.prefixes(matches.destination.as_ref(), sets, family);
            for source in &sources {
                for destination in &destinations {
                    match family {
                        Family::Ipv4 => self.ipv4.push(Item {
                            value: ipv4_words(source.first, destination.first),
                            mask: ipv4_words(source.mask, destination.mask),
                            fields,
                            rule,
                        }),
                        Family::Ipv6 => self.ipv6.push(Item {
                            value: ipv6_words(source.first, destination.first),
                            mask: ipv6_words(source.mask, destination.mask),
                            fields,
                            rule,
                        }),
                    }
                }
            }
        }
    }
}

/// How one address of a rule is looked at.
#[derive(Clone, Copy, Debug)]
enum Side {
    /// Not at all.
    Any,
    /// Prefix by prefix.
    Prefixes,
    /// As the list of this number, or all but it.
    Set(usize, bool),
}

impl Side {
    /// The prefixes of a family that items compare.
    fn prefixes(
        self,
        addresses: Option<&Addresses>,
        sets: &[Arc<Set>],
        family: Family,
    ) -> Vec<Prefix> {
        match (self, addresses) {
            (Self::Prefixes, Some(addresses)) => {
                let all = addresses.all_prefixes(sets).map(|net| Prefix::of(&net));
                let of_family = all.filter(|(of, _)| *of == family);
                let mut prefixes: Vec<_> = of_family.map(|(_, prefix)| prefix).collect();
                prefixes.sort_unstable();
                prefixes.dedup();
                prefixes
            }
            _ => vec![Prefix::ALL],
        }
    }
}

/// A list of prefixes that is looked up as a set: the positions of named sets, and more prefixes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct List {
    sets: Vec<usize>,
    prefixes: Vec<IpNet>,
}

impl List {
    fn prefixes<'a>(&'a self, sets: &'a [Arc<Set>]) -> Vec<&'a IpNet> {
        let named = self.sets.iter().filter_map(|&position| sets.get(position));
        let of_sets = named.flat_map(|set| &set.prefixes);
        self.prefixes.iter().chain(of_sets).collect()
    }
}

/// The lists that rules look up, each once, and how each rule looks at its two addresses.
fn listed(rules: &[Arc<Rule>], sets: &[Arc<Set>]) -> (Vec<List>, Vec<[Side; 2]>) {
    let mut numbers: HashMap<List, usize> = HashMap::new();
    let mut lists = Vec::new();
    let mut side = |addresses: Option<&Addresses>| {
        let Some(addresses) = addresses else {
            return Side::Any;
        };
        let few = addresses.all_prefixes(sets).nth(MAX_LISTED).is_none();
        if few && !addresses.negated {
            return Side::Prefixes;
        }
        let list = List {
            sets: addresses.sets.clone(),
            prefixes: addresses.prefixes.clone(),
        };
        let number = *numbers.entry(list).or_insert_with_key(|list| {
            lists.push(list.clone());
            lists.len() - 1
        });
        Side::Set(number, addresses.negated)
    };
    let of_rule = rules.iter().map(|rule| {
        [
            side(rule.matches.source.as_ref()),
            side(rule.matches.destination.as_ref()),
        ]
    });
    let of_rule = of_rule.collect();
    (lists, of_rule)
}

fn ipv4_words(source: u128, destination: u128) -> Words<2> {
    [low_word(source), low_word(destination)]
}

fn ipv6_words(source: u128, destination: u128) -> Words<8> {
    let word = |address: u128, index: u32| low_word(address >> (96 - 32 * index));
    [
        word(source, 0),
        word(source, 1),
        word(source, 2),
        word(source, 3),
        word(destination, 0),
        word(destination, 1),
        word(destination, 2),
        word(destination, 3),
    ]
}

/// The lowest 32 bits.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "takes the lowest word"
)]
const fn low_word(number: u128) -> u32 {
    number as u32
}

/// The prefix in `P / 2` words.
fn prefix(value: &[u32], mask: &[u32]) -> Prefix {
    let join = |words: &[u32]| {
        let words = words.iter();
        words.fold(0, |number: u128, &word| number << 32 | u128::from(word))
    };
    Prefix {
        first: join(value),
        mask: join(mask),
    }
}

impl<const P: usize> Item<P> {
    /// Source and destination.
    pub(super) fn prefixes(&self) -> [Prefix; 2] {
        let (source, destination) = self.value.split_at(P / 2);
        let (source_mask, destination_mask) = self.mask.split_at(P / 2);
        [
            prefix(source, source_mask),
            prefix(destination, destination_mask),
        ]
    }
}
