//! Makes those parts of a tree anew that a change reaches, by the cuts that they have.

use std::sync::Arc;

use super::cut::parts;
use super::group::{Group, add_bounds, between, distribute, spread};
use super::intervals::Interval;
use super::item::Item;
use super::node::{Node, NodeKind, Run};
use super::prefix::Family;
use super::region::{Cut, Region, field_of_lane, fields_of, word_of_lane};
use super::tree::{Builder, Stop, Tree};

/// By what factor a part's items may grow or shrink before another cut is looked for.
const DRIFT: usize = 2;
/// Items whose number is never a reason for another cut.
const FEW: usize = 8;

/// In how many of a cut's parts items may lie, in parts and items, before all is compiled anew.
const SPREAD: usize = 8;
const SPREAD_OF_FEW: usize = 1 << 20;

/// A part of the old tree, and what of it changes.
struct Changing<'c, const P: usize> {
    old: &'c Arc<Node>,
    /// The items that have come or gone within the part.
    touched: &'c [Item<P>],
    region: Region<P>,
    depth: u32,
}

/// Values of a cut that are reached by the same.
struct ChangedGroup {
    values: Interval,
    /// The items there, if anything has changed.
    numbers: Vec<u32>,
    /// Positions of the touched items.
    touched: Vec<usize>,
}

impl Builder<'_> {
    /// The tree of those `items` that have a number in `numbers`, which are in order of priority.
    /// `old` is the tree before some items came or went, which are `touched`.
    pub(super) fn changed_tree<const P: usize>(
        &mut self,
        old: &Arc<Node>,
        items: &[Item<P>],
        numbers: &[u32],
        touched: &[Item<P>],
        family: Family,
        region: Region<P>,
    ) -> Result<Arc<Node>, Stop> {
        let mut tree = Tree::of(items, family);
        let changing = Changing {
            old,
            touched,
            region,
            depth: 0,
        };
        self.changed_part(&mut tree, numbers, &changing)
    }

    fn changed_part<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        numbers: &[u32],
        part: &Changing<'_, P>,
    ) -> Result<Arc<Node>, Stop> {
        let Changing {
            old,
            touched,
            region,
            depth,
        } = *part;
        if touched.is_empty() {
            return Ok(Arc::clone(old));
        }
        let numbers = self.visible(tree, numbers, &region);
        let kept = cut_of::<P>(old).filter(|_| is_near(numbers.len(), old.items));
        let Some(cut) = kept.filter(|_| !self.fits_small_leaf(tree, numbers, &region)) else {
            return self.part(tree, numbers, region, depth);
        };
        // Nobody else has all the items, and to look at all of them takes long.
        let key = (depth > 0).then(|| self.fingerprint(tree, numbers, &region));
        if let Some(known) = key.and_then(|key| tree.known(key, depth)) {
            return Ok(known);
        }
        self.watched()?;
        let kind = match (&old.kind, cut) {
            (NodeKind::Range { children, .. }, Cut::Range { .. }) => {
                self.changed_range(tree, numbers, part, cut, children)?
            }
            (NodeKind::Bits { runs, .. }, Cut::Address { .. } | Cut::Index { .. }) => {
                self.changed_bits(tree, numbers, part, cut, runs)?
            }
            _ => return self.part(tree, numbers, region, depth),
        };
        let node = Node::chosen_for(old.items, kind);
        if let Some(key) = key {
            tree.add(key, &node);
        }
        Ok(node)
    }

    fn changed_bits<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        numbers: &[u32],
        part: &Changing<'_, P>,
        cut: Cut,
        old: &[Run],
    ) -> Result<NodeKind, Stop> {
        let groups = self.changed_groups(tree, numbers, part, cut, old)?;
        let mut old = old.iter().peekable();
        let mut runs: Vec<Run> = Vec::new();
        for group in groups {
            let values = group.values;
            while old.next_if(|run| run.end <= values.first).is_some() {}
            let Some(run) = old.peek() else { break };
            let item = |&position: &usize| part.touched.get(position).copied();
            let touched: Vec<Item<P>> = group.touched.iter().filter_map(item).collect();
            let child = Changing {
                old: &run.child,
                touched: &touched,
                region: part.region.part(cut, values),
                depth: part.depth + 1,
            };
            let child = self.changed_part(tree, &group.numbers, &child)?;
            let end = values.last + 1;
            match runs.last_mut() {
                Some(run) if Arc::ptr_eq(&run.child, &child) => run.end = end,
                _ => runs.push(Run { end, child }),
            }
        }
        self.bits(cut, runs, P)
    }

    /// The values of a cut parted by what reaches them, and the items there; where nothing has
    /// changed the items are not looked for.
    fn changed_groups<const P: usize>(
        &self,
        tree: &Tree<'_, P>,
        numbers: &[u32],
        part: &Changing<'_, P>,
        cut: Cut,
        old: &[Run],
    ) -> Result<Vec<ChangedGroup>, Stop> {
        let region = part.region;
        let of_touched = |position: usize, add: &mut dyn FnMut(Interval)| {
            if let Some(item) = part.touched.get(position) {
                self.values(item, cut, &region, add);
            }
        };
        let of_number = |number: u32, add: &mut dyn FnMut(Interval)| {
            if let Some(item) = tree.item(number) {
                self.values(item, cut, &region, add);
            }
        };
        let touched: Vec<usize> = (0..part.touched.len()).collect();
        let mut starts = Vec::new();
        add_bounds(&touched, &of_touched, &mut starts);
        let (lowest, behind) = match (starts.iter().min(), starts.iter().max()) {
            (Some(&lowest), Some(&behind)) => (lowest, behind),
            _ => (0, 0),
        };
        let is_near = |&&number: &&u32| {
            let mut meets = false;
            of_number(number, &mut |one| {
                meets |= one.first < behind && lowest <= one.last;
            });
            meets
        };
        let near: Vec<u32> = numbers.iter().filter(is_near).copied().collect();
        add_bounds(&near, &of_number, &mut starts);
        starts.extend(old.iter().map(|run| run.end));
        let values = between(starts, old.last().map_or(0, |run| run.end));
        // The cut was chosen for other items: these may lie in all of its parts.
        let most = SPREAD * (near.len() + values.len()) + SPREAD_OF_FEW;
        if spread(&touched, &of_touched, &values) + spread(&near, &of_number, &values) > most {
            return Err(Stop::OverBudget);
        }
        let mut reached: Vec<Group<usize>> = values.iter().copied().map(Group::of).collect();
        distribute(&touched, &of_touched, &mut reached, |_| true);
        let mut numbers: Vec<Group<u32>> = values.iter().copied().map(Group::of).collect();
        let has_changed = |position: usize| {
            let group = reached.get(position);
            group.is_some_and(|group| !group.members.is_empty())
        };
        distribute(&near, &of_number, &mut numbers, has_changed);
        let pairs = numbers.into_iter().zip(reached);
        let groups = pairs.map(|(numbers, reached)| ChangedGroup {
            values: numbers.values,
            numbers: numbers.members,
            touched: reached.members,
        });
        Ok(groups.collect())
    }

    fn changed_range<const P: usize>(
        &mut self,
        tree: &mut Tree<'_, P>,
        numbers: &[u32],
        part: &Changing<'_, P>,
        cut: Cut,
        old: &[Arc<Node>],
    ) -> Result<NodeKind, Stop> {
        let Cut::Range { field, .. } = cut else {
            return Ok(NodeKind::Nothing);
        };
        let within = part.region.field(field);
        let mut children = Vec::with_capacity(old.len());
        for (values, old) in parts(cut, within).into_iter().zip(old) {
            let meets = |item: &Item<P>| {
                let fields = fields_of(item, self.fields);
                let accepted = fields.and_then(|fields| fields.accepted.get(field));
                accepted.is_some_and(|accepted| accepted.meets(values))
            };
            let touched: Vec<Item<P>> = part
                .touched
                .iter()
                .filter(|item| meets(item))
                .copied()
                .collect();
            let is_inside = |number: &&u32| tree.item(**number).is_some_and(meets);
            let inside: Vec<u32> = if touched.is_empty() {
                Vec::new()
            } else {
                numbers.iter().filter(is_inside).copied().collect()
            };
            let child = Changing {
                old,
                touched: &touched,
                region: part.region.part(cut, values),
                depth: part.depth + 1,
            };
            children.push(self.changed_part(tree, &inside, &child)?);
        }
        self.range(cut, children)
    }
}

/// Whether a cut that was chosen for `before` items may do for so many `now`.
fn is_near(now: usize, before: usize) -> bool {
    now <= before * DRIFT + FEW && before <= now * DRIFT + FEW
}

/// The cut that a part of a tree of rules was divided by.
fn cut_of<const P: usize>(node: &Node) -> Option<Cut> {
    match node.kind {
        NodeKind::Bits {
            lane, shift, width, ..
        } => Some(match word_of_lane::<P>(lane) {
            Some(word) => Cut::Address { word, shift, width },
            None => Cut::Index {
                field: field_of_lane(lane)?,
                width,
            },
        }),
        NodeKind::Range {
            lane,
            last,
            ref children,
            ..
        } => Some(Cut::Range {
            field: field_of_lane(lane)?,
            last,
            bounds: children.len().checked_sub(1)?,
        }),
        NodeKind::Nothing
        | NodeKind::Value(_)
        | NodeKind::Leaf { .. }
        | NodeKind::Choice { .. } => None,
    }
}
