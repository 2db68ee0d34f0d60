//! Builds the trees of rules.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use stormbolt_common::classifier::{MAX_CUTS, MAX_LEAF};

use super::compiler::{Progress, Watch};
use super::condition::{self, Target};
use super::cut::{Chooser, LARGE_LEAF, LEAF_ITEMS, parts, split_pieces};
use super::fields::Fields;
use super::group::{Group, group};
use super::intervals::Interval;
use super::item::Item;
use super::node::{Node, NodeKind, Run};
use super::place::CUT_WORDS;
use super::prefix::Family;
use super::region::{Cut, Region, fields_of, lane_of_field, lane_of_word, window};

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
    pub(super) fields: &'a [Arc<Fields>],
    targets: &'a [Target],
    chooser: Chooser,
    hashers: [RandomState; 2],
    leaves: HashMap<(Family, Vec<u64>), Arc<Node>>,
    nothing: Arc<Node>,
    /// Words of the parts so far, and how many there may be.
    pub(super) words: u64,
    pub(super) budget: u64,
    /// Words by the slot of the rule that they are for.
    pub(super) words_of_rule: Vec<u64>,
    /// Words of the trees of sets.
    pub(super) words_of_sets: u64,
    watch: &'a mut dyn Watch,
}

/// One tree: what its parts have in common.
pub(super) struct Tree<'i, const P: usize> {
    items: &'i [Item<P>],
    family: Family,
    /// Parts by a fingerprint of all that they depend on.
    known: HashMap<[u64; 2], Arc<Node>>,
}

impl<'i, const P: usize> Tree<'i, P> {
    pub(super) fn of(items: &'i [Item<P>], family: Family) -> Self {
        Self {
            items,
            family,
            known: HashMap::new(),
        }
    }

    pub(super) fn item(&self, number: u32) -> Option<&'i Item<P>> {
        self.items.get(usize::try_from(number).ok()?)
    }

    /// The part with this fingerprint, if a walk that gets to it at `depth` ends in time.
    pub(super) fn known(&self, fingerprint: [u64; 2], depth: u32) -> Option<Arc<Node>> {
        let known = self.known.get(&fingerprint)?;
        (depth + known.height <= MAX_CUTS).then(|| Arc::clone(known))
    }

    pub(super) fn add(&mut self, fingerprint: [u64; 2], node: &Arc<Node>) {
        self.known.insert(fingerprint, Arc::clone(node));
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        fields: &'a [Arc<Fields>],
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
            words_of_sets: 0,
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
        let mut tree = Tree::of(items, family);
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

    /// Those of the items that any packet of the region meets: nothing behind one that accepts all of
    /// them is ever met.
    pub(super) fn visible<'n, const P: usize>(
        &self,
        tree: &Tree<'_, P>,
        numbers: &'n [u32],
        region: &Region<P>,
    ) -> &'n [u32] {
        let is_last = |&number: &u32| {
            let item = tree.item(number);
            item.is_some_and(|item| region.is_in(item, self.fields))
        };
        let end = numbers.iter().position(is_last).map(|last| last + 1);
        let end = end.unwrap_or(numbers.len());
        numbers.get(..end).unwrap_or(numbers)
    }

    /// Places in a leaf of these items; of more than fit any leaf, no exact number.
    fn places<const P: usize>(
        &self,
        tree: &Tree<'_, P>,
        numbers: &[u32],
        region: &Region<P>,
    ) -> u64 {
        // Every item takes a place.
        if u32::try_from(numbers.len()).is_ok_and(|items| items > MAX_LEAF) {
            return u64::MAX;
        }
        let of = |&number: &u32| fields_of(tree.item(number)?, self.fields);
        let all = numbers.iter().filter_map(of);
        let places = all.map(|fields| condition::places(fields, &region.fields));
        places.fold(0, u64::saturating_add)
    }

    /// Whether these items need no cut.
    pub(super) fn fits_small_leaf<const P: usize>(
        &self,
        tree: &Tree<'_, P>,
        numbers: &[u32],
        region: &Region<P>,
    ) -> bool {
        numbers.len() <= LEAF_ITEMS && self.places(tree, numbers, region) <= FEW_PLACES
    }

    /// Lets whoever waits give up.
    pub(super) fn watched(&mut self) -> Result<(), Stop> {
        if self.watch.interrupted(Progress { words: self.words }) {
            return Err(Stop::Interrupted);
        }
        Ok(())
    }

    pub(super) fn part<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        numbers: &[u32],
        region: Region<P>,
        depth: u32,
    ) -> Result<Arc<Node>, Stop> {
        let numbers = self.visible(tree, numbers, &region);
        if numbers.is_empty() {
            return Ok(Arc::clone(&self.nothing));
        }
        if self.fits_small_leaf(tree, numbers, &region) {
            return self.leaf(tree, numbers, &region);
        }
        let key = self.fingerprint(tree, numbers, &region);
        if let Some(known) = tree.known(key, depth) {
            return Ok(known);
        }
        let node = self.divide(tree, numbers, region, depth)?;
        tree.add(key, &node);
        Ok(node)
    }

    fn divide<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        numbers: &[u32],
        region: Region<P>,
        depth: u32,
    ) -> Result<Arc<Node>, Stop> {
        self.watched()?;
        let places = self.places(tree, numbers, &region);
        let fits_leaf = places <= u64::from(MAX_LEAF);
        if depth < MAX_CUTS {
            let chosen = self
                .chooser
                .choose(tree.items, numbers, self.fields, &region, depth == 0);
            let many = places > FEW_PLACES && (numbers.len() <= LARGE_LEAF || !fits_leaf);
            let cut = chosen.or_else(|| {
                let first = |&number: &u32| split_pieces(tree.item(number)?, self.fields, &region);
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
            let of = |&number: &u32| Some(tree.item(number)?.rule);
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
        let kind = match cut {
            Cut::Address { width, .. } | Cut::Index { width, .. } => {
                let values = |number: u32, add: &mut dyn FnMut(Interval)| {
                    if let Some(item) = tree.item(number) {
                        self.values(item, cut, &region, add);
                    }
                };
                let groups = group(numbers, 1 << width, &values);
                let runs = self.runs(tree, groups, region, depth, cut)?;
                self.bits(cut, runs, P)?
            }
            Cut::Range { field, .. } => {
                let mut children = Vec::new();
                for part in parts(cut, region.field(field)) {
                    let meets = |&&number: &&u32| {
                        let accepted = fields_of(tree.item(number)?, self.fields)?;
                        accepted.accepted.get(field)?.meets(part).then_some(())
                    };
                    let inside = numbers.iter().filter(|number| meets(number).is_some());
                    let inside: Vec<u32> = inside.copied().collect();
                    let region = region.part(cut, part);
                    children.push(self.part(tree, &inside, region, depth + 1)?);
                }
                self.range(cut, children)?
            }
        };
        Ok(Node::chosen_for(numbers.len(), kind))
    }

    /// The values of a cut by bits that an item has in a region.
    pub(super) fn values<const P: usize>(
        &self,
        item: &Item<P>,
        cut: Cut,
        region: &Region<P>,
        add: &mut dyn FnMut(Interval),
    ) {
        match cut {
            Cut::Address { word, shift, width } => add(window(item, word, shift, width)),
            Cut::Index { field, .. } | Cut::Range { field, .. } => {
                let fields = fields_of(item, self.fields);
                let accepted = fields.and_then(|fields| fields.accepted.get(field));
                let within = region.field(field);
                for piece in accepted.map_or(&[][..], |accepted| accepted.within(within)) {
                    add(*piece);
                }
            }
        }
    }

    /// A part cut by bits into `runs`, of items with `words` address words.
    pub(super) fn bits(
        &mut self,
        cut: Cut,
        runs: Vec<Run>,
        words: usize,
    ) -> Result<NodeKind, Stop> {
        let (lane, shift, width) = match cut {
            Cut::Address { word, shift, width } => (lane_of_word(words, word), shift, width),
            Cut::Index { field, width } => (lane_of_field(field), 0, width),
            Cut::Range { .. } => return Ok(NodeKind::Nothing),
        };
        self.take(1 << width)?;
        Ok(NodeKind::Bits {
            lane,
            shift,
            width,
            runs,
        })
    }

    /// A part cut by bounds.
    pub(super) fn range(&mut self, cut: Cut, children: Vec<Arc<Node>>) -> Result<NodeKind, Stop> {
        let Cut::Range { field, last, .. } = cut else {
            return Ok(NodeKind::Nothing);
        };
        self.take(CUT_WORDS)?;
        Ok(NodeKind::Range {
            lane: lane_of_field(field),
            shift: 0,
            last,
            children,
        })
    }

    fn runs<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        groups: Vec<Group<u32>>,
        region: Region<P>,
        depth: u32,
        cut: Cut,
    ) -> Result<Vec<Run>, Stop> {
        let mut runs: Vec<Run> = Vec::with_capacity(groups.len());
        for Group { values, members } in groups {
            let part = region.part(cut, values);
            let child = self.part(tree, &members, part, depth + 1)?;
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
            let Some(item) = tree.item(number) else {
                continue;
            };
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
        let size = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let key = (tree.family, words);
        if let Some(known) = self.leaves.get(&key) {
            return Ok(Arc::clone(known));
        }
        self.take(size)?;
        for (rule, cost) in costs {
            if let Some(words) = self.words_of_rule.get_mut(rule) {
                *words += u64::try_from(cost).unwrap_or(0);
            }
        }
        let leaf = Node::new(NodeKind::Leaf {
            words: key.1.clone(),
            count,
            priority: priority.unwrap_or(0),
        });
        self.leaves.insert(key, Arc::clone(&leaf));
        Ok(leaf)
    }

    /// Counts the words of a tree of sets.
    pub(super) fn take_for_sets(&mut self, words: u64) -> Result<(), Stop> {
        self.words_of_sets += words;
        self.words += words;
        if self.words > self.budget {
            return Err(Stop::OverBudget);
        }
        Ok(())
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
    pub(super) fn fingerprint<const P: usize>(
        &self,
        tree: &Tree<'_, P>,
        numbers: &[u32],
        region: &Region<P>,
    ) -> [u64; 2] {
        let mut counted = [0; P];
        let mut decided = [true; super::fields::FIELDS];
        for item in numbers.iter().filter_map(|&number| tree.item(number)) {
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
