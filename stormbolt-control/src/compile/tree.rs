//! Builds the trees of rules.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use stormbolt_common::classifier::{CHOICE_WORDS, MAX_CUTS, MAX_LEAF, RANGE_WORDS};

use super::condition::{self, Target};
use super::cut::{Chooser, LARGE_LEAF, LEAF_ITEMS, parts, split_pieces};
use super::fields::Fields;
use super::intervals::Interval;
use super::item::Item;
use super::node::{Node, NodeKind, Run};
use super::prefix::Family;
use super::region::{Cut, Region, fields_of, lane_of_field, lane_of_word, window};
use super::{Progress, Watch};

/// Conditions up to which a leaf of few items is taken as it is.
const FEW_PLACES: u64 = 16;

/// Why a tree is not built.
#[derive(Debug)]
pub(super) enum Stop {
    /// It takes more words than there may be.
    OverBudget,
    /// Whoever asked for it no longer wants it.
    Interrupted,
    /// These rules overlap so much that no cuts tell them apart.
    Entangled(Vec<u32>),
}

/// Builds trees, counting words over all of them.
pub(super) struct Builder<'a> {
    fields: &'a [Fields],
    targets: &'a [Target],
    chooser: Chooser,
    hashers: [RandomState; 2],
    leaves: HashMap<Vec<u64>, Arc<Node>>,
    nothing: Arc<Node>,
    /// Words of the parts so far, and how many there may be.
    pub(super) words: u64,
    pub(super) budget: u64,
    /// Words by the position of the rule that they are for.
    pub(super) words_of_rule: Vec<u64>,
    watch: &'a mut dyn Watch,
}

/// One tree: what its parts have in common.
struct Tree<'i, const P: usize> {
    items: &'i [Item<P>],
    family: Family,
    /// Parts by a fingerprint of all that they depend on.
    known: HashMap<[u64; 2], Arc<Node>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        fields: &'a [Fields],
        targets: &'a [Target],
        budget: u64,
        watch: &'a mut dyn Watch,
    ) -> Self {
        Self {
            fields,
            targets,
            chooser: Chooser::default(),
            hashers: [RandomState::new(), RandomState::new()],
            leaves: HashMap::new(),
            nothing: Node::new(NodeKind::Nothing),
            words: 0,
            budget,
            words_of_rule: vec![0; targets.len()],
            watch,
        }
    }

    /// The tree of those `items` that have a number in `numbers`, which are in order of priority.
    pub(super) fn tree<const P: usize>(
        &mut self,
        items: &[Item<P>],
        numbers: &[u32],
        family: Family,
        region: Region<P>,
    ) -> Result<Arc<Node>, Stop> {
        let mut tree = Tree {
            items,
            family,
            known: HashMap::new(),
        };
        self.part(&mut tree, numbers, region, 0)
    }

    /// As [`Builder::tree`], but `None` where it takes more than `words` words.
    pub(super) fn try_tree<const P: usize>(
        &mut self,
        items: &[Item<P>],
        numbers: &[u32],
        family: Family,
        region: Region<P>,
        words: u64,
    ) -> Result<Option<Arc<Node>>, Stop> {
        let before = (self.words, self.budget, self.words_of_rule.clone());
        self.budget = self.budget.min(self.words + words);
        let built = self.tree(items, numbers, family, region);
        let (words, budget, words_of_rule) = before;
        self.budget = budget;
        match built {
            Ok(tree) => Ok(Some(tree)),
            Err(Stop::OverBudget | Stop::Entangled(_)) => {
                self.words = words;
                self.words_of_rule = words_of_rule;
                // What has not been counted must not be found.
                self.leaves.clear();
                Ok(None)
            }
            Err(stop @ Stop::Interrupted) => Err(stop),
        }
    }

    fn part<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        numbers: &[u32],
        region: Region<P>,
        depth: u32,
    ) -> Result<Arc<Node>, Stop> {
        let items = tree.items;
        let item = |number: u32| {
            usize::try_from(number)
                .ok()
                .and_then(|number| items.get(number))
        };
        // Nothing behind an item that accepts everything is ever met.
        let is_last =
            |&number: &u32| item(number).is_some_and(|one| region.is_in(one, self.fields));
        let end = numbers.iter().position(is_last).map(|last| last + 1);
        let numbers = numbers
            .get(..end.unwrap_or(numbers.len()))
            .unwrap_or(numbers);
        if numbers.is_empty() {
            return Ok(Arc::clone(&self.nothing));
        }
        let places: u64 = numbers
            .iter()
            .filter_map(|&number| fields_of(item(number)?, self.fields))
            .map(|fields| condition::places(fields, &region.fields))
            .fold(0, u64::saturating_add);
        if numbers.len() <= LEAF_ITEMS && places <= FEW_PLACES {
            return self.leaf(tree, numbers, &region);
        }
        let key = self.fingerprint(tree, numbers, &region);
        if let Some(known) = tree.known.get(&key) {
            return Ok(Arc::clone(known));
        }
        let node = self.divide(tree, numbers, region, depth, places)?;
        tree.known.insert(key, Arc::clone(&node));
        Ok(node)
    }

    fn divide<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        numbers: &[u32],
        region: Region<P>,
        depth: u32,
        places: u64,
    ) -> Result<Arc<Node>, Stop> {
        if self.watch.interrupted(Progress { words: self.words }) {
            return Err(Stop::Interrupted);
        }
        let fits_leaf = places <= u64::from(MAX_LEAF);
        if depth < MAX_CUTS {
            let chosen = self
                .chooser
                .choose(tree.items, numbers, self.fields, &region, depth == 0);
            let many = places > FEW_PLACES && (numbers.len() <= LARGE_LEAF || !fits_leaf);
            let cut = chosen.or_else(|| {
                let first = |&number: &u32| {
                    let item = tree.items.get(usize::try_from(number).ok()?)?;
                    split_pieces(item, self.fields, &region)
                };
                if many {
                    numbers.iter().find_map(first)
                } else {
                    None
                }
            });
            if let Some(cut) = cut {
                return self.cut(tree, numbers, region, depth, cut);
            }
        }
        if !fits_leaf {
            let of = |&number: &u32| Some(tree.items.get(usize::try_from(number).ok()?)?.rule);
            let mut rules: Vec<u32> = numbers.iter().filter_map(of).collect();
            rules.dedup();
            return Err(Stop::Entangled(rules));
        }
        self.leaf(tree, numbers, &region)
    }

    fn cut<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        numbers: &[u32],
        region: Region<P>,
        depth: u32,
        cut: Cut,
    ) -> Result<Arc<Node>, Stop> {
        match cut {
            Cut::Address { word, shift, width } => {
                self.take(1 << width)?;
                let groups = group(numbers, width, |number, add| {
                    let place = usize::try_from(number).ok();
                    if let Some(item) = place.and_then(|place| tree.items.get(place)) {
                        add(window(item, word, shift, width));
                    }
                });
                let runs = self.runs(tree, groups, region, depth, cut)?;
                Ok(Node::new(NodeKind::Bits {
                    lane: lane_of_word::<P>(word),
                    shift,
                    width,
                    runs,
                }))
            }
            Cut::Index { field, width } => {
                self.take(1 << width)?;
                let within = region.fields.get(field).copied();
                let within = within.unwrap_or(Interval { first: 0, last: 0 });
                let fields = self.fields;
                let groups = group(numbers, width, |number, add| {
                    let place = usize::try_from(number).ok();
                    let item = place.and_then(|place| tree.items.get(place));
                    let fields = item.and_then(|item| fields_of(item, fields));
                    let accepted = fields.and_then(|fields| fields.accepted.get(field));
                    for piece in accepted.map_or(&[][..], |accepted| accepted.within(within)) {
                        add(*piece);
                    }
                });
                let runs = self.runs(tree, groups, region, depth, cut)?;
                Ok(Node::new(NodeKind::Bits {
                    lane: lane_of_field(field),
                    shift: 0,
                    width,
                    runs,
                }))
            }
            Cut::Range { field, last, .. } => {
                self.take(RANGE_WORDS.max(CHOICE_WORDS))?;
                let within = region.fields.get(field).copied();
                let within = within.unwrap_or(Interval { first: 0, last: 0 });
                let mut children = Vec::new();
                for part in parts(cut, within) {
                    let meets = |&&number: &&u32| {
                        let item = tree.items.get(usize::try_from(number).ok()?)?;
                        let accepted = fields_of(item, self.fields)?.accepted.get(field)?;
                        accepted.meets(part).then_some(())
                    };
                    let inside = numbers.iter().filter(|number| meets(number).is_some());
                    let inside: Vec<u32> = inside.copied().collect();
                    let region = region.part(cut, part);
                    children.push(self.part(tree, &inside, region, depth + 1)?);
                }
                Ok(Node::new(NodeKind::Range {
                    lane: lane_of_field(field),
                    shift: 0,
                    last,
                    children,
                }))
            }
        }
    }

    fn runs<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        groups: Vec<Group>,
        region: Region<P>,
        depth: u32,
        cut: Cut,
    ) -> Result<Vec<Run>, Stop> {
        let mut runs: Vec<Run> = Vec::with_capacity(groups.len());
        for Group { values, numbers } in groups {
            let part = region.part(cut, values);
            let child = self.part(tree, &numbers, part, depth + 1)?;
            let end = values.last + 1;
            match runs.last_mut() {
                Some(run) if Arc::ptr_eq(&run.child, &child) => run.end = end,
                _ => runs.push(Run { end, child }),
            }
        }
        Ok(runs)
    }

    fn leaf<const P: usize>(
        &mut self,
        tree: &Tree<'_, P>,
        numbers: &[u32],
        region: &Region<P>,
    ) -> Result<Arc<Node>, Stop> {
        let mut words = Vec::new();
        let mut count = 0;
        let mut priority = None;
        let mut costs = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let item = usize::try_from(number)
                .ok()
                .and_then(|place| tree.items.get(place));
            let Some(item) = item else { continue };
            let rule = usize::try_from(item.rule).unwrap_or(usize::MAX);
            let (Some(fields), Some(&target)) =
                (fields_of(item, self.fields), self.targets.get(rule))
            else {
                continue;
            };
            let before = words.len();
            let prefixes = item.prefixes();
            count += condition::encode(
                tree.family,
                prefixes,
                fields,
                &region.fields,
                target,
                &mut words,
            );
            priority = priority.or(Some(target.priority));
            costs.push((rule, words.len() - before));
        }
        if let Some(known) = self.leaves.get(&words) {
            return Ok(Arc::clone(known));
        }
        self.take(u32::try_from(words.len()).unwrap_or(u32::MAX))?;
        for (rule, cost) in costs {
            if let Some(words) = self.words_of_rule.get_mut(rule) {
                *words += u64::try_from(cost).unwrap_or(0);
            }
        }
        let leaf = Node::new(NodeKind::Leaf {
            words: words.clone(),
            count,
            priority: priority.unwrap_or(0),
        });
        self.leaves.insert(words, Arc::clone(&leaf));
        Ok(leaf)
    }

    fn take(&mut self, words: u32) -> Result<(), Stop> {
        self.words += u64::from(words);
        if self.words > self.budget {
            return Err(Stop::OverBudget);
        }
        Ok(())
    }

    /// A number that differs, but for chance in 2^128, for parts that are not alike: the same items
    /// in regions that they see in the same way.
    fn fingerprint<const P: usize>(
        &self,
        tree: &Tree<'_, P>,
        numbers: &[u32],
        region: &Region<P>,
    ) -> [u64; 2] {
        let item = |number: u32| {
            usize::try_from(number)
                .ok()
                .and_then(|place| tree.items.get(place))
        };
        let mut counted = [0; P];
        let mut decided = [true; super::fields::FIELDS];
        for item in numbers.iter().filter_map(|&number| item(number)) {
            for (counted, mask) in counted.iter_mut().zip(item.mask) {
                *counted |= mask;
            }
            if let Some(fields) = fields_of(item, self.fields) {
                let accepted = fields.accepted.iter().zip(region.fields);
                for ((accepted, within), decided) in accepted.zip(&mut decided) {
                    *decided &= accepted.covers(within);
                }
            }
        }
        let mut masks = [0; P];
        for ((slot, counted), known) in masks.iter_mut().zip(counted).zip(region.mask) {
            *slot = counted & known;
        }
        let mut fields = region.fields;
        for (field, decided) in fields.iter_mut().zip(decided) {
            if decided {
                *field = Interval { first: 1, last: 0 };
            }
        }
        let hash = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            numbers.hash(&mut hasher);
            masks.hash(&mut hasher);
            fields.hash(&mut hasher);
            hasher.finish()
        };
        let [one, other] = &self.hashers;
        [hash(one), hash(other)]
    }
}

/// Values of a cut with the same items.
struct Group {
    values: Interval,
    numbers: Vec<u32>,
}

/// Divides items among the `2^width` values of a cut; neighbours with the same items stay together.
fn group(
    numbers: &[u32],
    width: u32,
    intervals: impl Fn(u32, &mut dyn FnMut(Interval)),
) -> Vec<Group> {
    let end = 1_u32 << width;
    let mut starts = vec![0];
    for &number in numbers {
        intervals(number, &mut |one| starts.extend([one.first, one.last + 1]));
    }
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|&start| start < end);
    let ends = starts.iter().skip(1).copied().chain([end]);
    let mut groups: Vec<Group> = starts
        .iter()
        .zip(ends)
        .map(|(&first, next)| Group {
            values: Interval {
                first,
                last: next - 1,
            },
            numbers: Vec::new(),
        })
        .collect();
    for &number in numbers {
        intervals(number, &mut |one| {
            let first = starts.partition_point(|&start| start < one.first);
            for group in groups.iter_mut().skip(first) {
                if group.values.first > one.last {
                    break;
                }
                group.numbers.push(number);
            }
        });
    }
    groups
}
