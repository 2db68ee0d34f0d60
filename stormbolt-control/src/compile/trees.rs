//! All trees of a policy.

use std::sync::Arc;

use stormbolt_common::classifier::{Edge, TREES};

use super::compiler::CompiledRules;
use super::heap::{Full, Heap};
use super::item::Item;
use super::known::{Delta, Known};
use super::node::{Node, NodeKind, release};
use super::place;
use super::prefix::Family;
use super::region::Region;
use super::set_tree::SetTree;
use super::tree::{Builder, Stop};

/// All trees of a policy.
pub(super) struct Trees {
    ipv4: FamilyTrees,
    ipv6: FamilyTrees,
}

/// The trees of one address family.
struct FamilyTrees {
    rules: [Arc<Node>; TREES],
    /// Whether items are parted into groups, or all in the first tree.
    grouped: bool,
    /// Classes of addresses.
    sets: Arc<Node>,
}

impl Trees {
    /// No rules and no sets.
    pub(super) fn none() -> Self {
        let family = || FamilyTrees {
            rules: std::array::from_fn(|_| Node::new(NodeKind::Nothing)),
            grouped: false,
            sets: Node::new(NodeKind::Nothing),
        };
        Self {
            ipv4: family(),
            ipv6: family(),
        }
    }

    /// The trees of everything that is known.
    pub(super) fn of(known: &Known, builder: &mut Builder<'_>) -> Result<Self, Stop> {
        let domains = known.domains;
        Ok(Self {
            ipv4: FamilyTrees::of(
                &known.ipv4,
                Family::Ipv4,
                Region::everything(domains),
                known.set_tree(Family::Ipv4),
                builder,
            )?,
            ipv6: FamilyTrees::of(
                &known.ipv6,
                Family::Ipv6,
                Region::everything(domains),
                known.set_tree(Family::Ipv6),
                builder,
            )?,
        })
    }

    /// These trees where nothing has changed, and new parts where something has.
    pub(super) fn changed(
        &self,
        known: &Known,
        delta: &Delta,
        builder: &mut Builder<'_>,
    ) -> Result<Self, Stop> {
        let domains = known.domains;
        Ok(Self {
            ipv4: self.ipv4.changed(
                &known.ipv4,
                &delta.ipv4,
                Region::everything(domains),
                known.changed_set_tree(&self.ipv4.sets, Family::Ipv4, delta),
                builder,
            )?,
            ipv6: self.ipv6.changed(
                &known.ipv6,
                &delta.ipv6,
                Region::everything(domains),
                known.changed_set_tree(&self.ipv6.sets, Family::Ipv6, delta),
                builder,
            )?,
        })
    }

    /// Gives every part that has no place yet one.
    pub(super) fn place(&self, heap: &mut Heap, compiled: &mut CompiledRules) -> Result<(), Full> {
        let families = [&self.ipv4, &self.ipv6];
        for (trees, roots) in families.into_iter().zip(&mut compiled.roots) {
            roots.sets = place::place(&trees.sets, heap, &mut compiled.image)?;
            let mut ahead = roots.rules.iter_mut();
            for rules in &trees.rules {
                let edge = place::place(rules, heap, &mut compiled.image)?;
                // A packet stops at the first root that leads to nothing.
                if let Some(root) = (edge != Edge::NOTHING).then(|| ahead.next()).flatten() {
                    *root = edge;
                }
            }
        }
        Ok(())
    }

    /// Gives back the words of all parts that no other trees have, and says how many.
    pub(super) fn release(self, heap: &mut Heap) -> u64 {
        let families = [self.ipv4, self.ipv6].into_iter();
        let trees = families.flat_map(|one| one.rules.into_iter().chain([one.sets]));
        trees.map(|tree| release(tree, heap)).sum()
    }
}

impl FamilyTrees {
    fn of<const P: usize>(
        items: &[Item<P>],
        family: Family,
        region: Region<P>,
        sets: SetTree,
        builder: &mut Builder<'_>,
    ) -> Result<Self, Stop> {
        builder.take_for_sets(sets.words)?;
        let sets = sets.root;
        let all: Vec<u32> = (0_u32..).zip(items).map(|(number, _)| number).collect();
        if items.len() <= ONE_TREE_ITEMS {
            let words = u64::try_from(items.len()).unwrap_or(0) * ONE_TREE_WORDS + ONE_TREE_SPARE;
            if let Some(tree) = builder.try_tree(items, &all, family, region, words)? {
                let [b, c, d] = std::array::from_fn(|_| Node::new(NodeKind::Nothing));
                return Ok(Self {
                    rules: [tree, b, c, d],
                    grouped: false,
                    sets,
                });
            }
        }
        let [a, b, c, d] = groups(items);
        let rules = [
            builder.tree(items, &a, family, region)?,
            builder.tree(items, &b, family, region)?,
            builder.tree(items, &c, family, region)?,
            builder.tree(items, &d, family, region)?,
        ];
        Ok(Self {
            rules,
            grouped: true,
            sets,
        })
    }

    fn changed<const P: usize>(
        &self,
        items: &[Item<P>],
        touched: &[Item<P>],
        region: Region<P>,
        sets: SetTree,
        builder: &mut Builder<'_>,
    ) -> Result<Self, Stop> {
        builder.take_for_sets(sets.words)?;
        let sets = sets.root;
        let family = if P == 2 { Family::Ipv4 } else { Family::Ipv6 };
        let mut rules = self.rules.clone();
        let parted = |items: &[Item<P>]| {
            if self.grouped {
                return groups(items);
            }
            let all = (0_u32..).zip(items).map(|(number, _)| number);
            [all.collect(), Vec::new(), Vec::new(), Vec::new()]
        };
        if !touched.is_empty() {
            let numbers = parted(items);
            let touched_numbers = parted(touched);
            let parts = rules.iter_mut().zip(numbers).zip(touched_numbers);
            for ((tree, numbers), reached) in parts {
                let item = |&number: &u32| touched.get(usize::try_from(number).ok()?).copied();
                let reached: Vec<Item<P>> = reached.iter().filter_map(item).collect();
                if !reached.is_empty() {
                    *tree =
                        builder.changed_tree(tree, items, &numbers, &reached, family, region)?;
                }
            }
        }
        Ok(Self {
            rules,
            grouped: self.grouped,
            sets,
        })
    }
}

/// Address bits from which on a prefix counts as specific.
const SPECIFIC_IPV4: u32 = 8;
const SPECIFIC_IPV6: u32 = 24;
/// One tree costs a packet less than four, where it does not take more than this many words an
/// item, and some more. Many items would be tried in vain for too long.
const ONE_TREE_WORDS: u64 = 16;
const ONE_TREE_SPARE: u64 = 65_536;
const ONE_TREE_ITEMS: usize = 20_000;

/// Parts items by which of their addresses are specific: both, the destination, the source, neither.
fn groups<const P: usize>(items: &[Item<P>]) -> [Vec<u32>; TREES] {
    let mut groups = [const { Vec::new() }; TREES];
    let specific = if P == 2 { SPECIFIC_IPV4 } else { SPECIFIC_IPV6 };
    let is_specific = |mask: &[u32]| {
        let bits: u32 = mask.iter().map(|word| word.count_ones()).sum();
        bits >= specific
    };
    for (number, item) in (0_u32..).zip(items) {
        let (source, destination) = item.mask.split_at(P / 2);
        let [both, by_destination, by_source, neither] = &mut groups;
        let group = match (is_specific(source), is_specific(destination)) {
            (true, true) => both,
            (false, true) => by_destination,
            (true, false) => by_source,
            (false, false) => neither,
        };
        group.push(number);
    }
    groups
}

const _: () = assert!(TREES == 4 && size_of::<Edge>() == 8);
