//! Chooses how to divide the items of a region.
//!
//! A cut is judged by how much work it leaves behind it and by the memory that it takes. The work is
//! an estimate: every item is equally likely to be the one that a packet matches, and an item that
//! lies in several parts is equally likely to be met in each. `docs/decisions/0006-decision-trees.md`
//! has what the constants were measured with.

use std::sync::Arc;

use stormbolt_common::classifier::{RANGE_BOUNDS, lane};

use super::fields::{Fields, field};
use super::intervals::Interval;
use super::item::Item;
use super::region::{Cut, Region, fields_of, low_bits, window};

/// Items that a leaf may have without looking for a cut.
pub(super) const LEAF_ITEMS: usize = 4;
/// Items that a leaf may have where no cut is worth its while.
pub(super) const LARGE_LEAF: usize = 24;
/// What comparing one condition costs, in cuts.
const CONDITION_COST: f64 = 0.15;
/// Halvings of the items that a cut is expected to bring.
const HALVINGS: f64 = 6.0;
/// What memory as large as one condition per item costs, in cuts.
const MEMORY_COST: f64 = 0.04;
/// The widest cuts, at the root and elsewhere, in bits.
const ROOT_WIDTH: u32 = 16;
const WIDTH: u32 = 8;
/// Bits by which a cut may be wider than the number of items.
const SPARSE: u32 = 3;
/// Items that a cut is judged by.
const SAMPLE: usize = 512;
/// Address bits at which cuts are tried to begin or end, of many items and of few: most regions have
/// few, and hardly a bit more to choose from.
const BEST_BITS: usize = 8;
const BEST_BITS_OF_FEW: usize = 4;
/// Items that are few.
const FEW: usize = 32;
/// Numbers of bits up to which a field is cut by its value.
const INDEX_WIDTH: u32 = 16;

/// Judges cuts; keeps its scratch memory.
#[derive(Default)]
pub(super) struct Chooser {
    changes: Vec<Change>,
}

/// How the items in a part differ from those in the part before it.
#[derive(Clone, Copy, Default)]
struct Change {
    items: i32,
    share: f64,
    differs: bool,
}

/// What the items of a region are judged by.
struct Judged<'a, const P: usize> {
    sample: Vec<&'a Item<P>>,
    fields: &'a [Arc<Fields>],
    region: &'a Region<P>,
    /// All items, and how many each one of the sample stands for.
    items: f64,
    scale: f64,
}

/// What is left to do with this many items.
fn work(items: f64) -> f64 {
    let few = f64::from(u32::try_from(LEAF_ITEMS).unwrap_or(0));
    if items <= few {
        CONDITION_COST * items
    } else {
        CONDITION_COST * few + 1.0 + (items / few).log2() / HALVINGS
    }
}

/// Words of a condition for an item with `P` address words, in the unit of memory cost.
fn condition_words<const P: usize>() -> f64 {
    if P == 2 { 4.0 } else { 8.0 }
}

impl Chooser {
    /// The best cut; `None` where none divides the items, or where comparing them costs less.
    pub(super) fn choose<const P: usize>(
        &mut self,
        items: &[Item<P>],
        numbers: &[u32],
        fields: &[Arc<Fields>],
        region: &Region<P>,
        is_root: bool,
    ) -> Option<Cut> {
        let step = numbers.len().div_ceil(SAMPLE);
        let chosen = numbers.iter().step_by(step.max(1));
        let sample: Vec<_> = chosen
            .filter_map(|&number| items.get(usize::try_from(number).ok()?))
            .collect();
        let count = float(numbers.len());
        let judged = Judged {
            scale: count / float(sample.len()),
            sample,
            fields,
            region,
            items: count,
        };
        let limit = if numbers.len() > LARGE_LEAF {
            f64::INFINITY
        } else {
            CONDITION_COST * count
        };
        let mut best = Best {
            score: limit,
            cut: None,
        };
        let widest = if is_root { ROOT_WIDTH } else { WIDTH };
        let widest = widest.min(numbers.len().max(2).ilog2() + 1 + SPARSE);
        self.address_cuts(&judged, widest, &mut best);
        for field in 0..region.fields.len() {
            judged.range_cut(field, &mut best);
            self.index_cut(&judged, field, &mut best);
        }
        best.cut
    }

    /// Cuts that begin or end at one of the address bits that part the items best.
    fn address_cuts<const P: usize>(
        &mut self,
        judged: &Judged<'_, P>,
        widest: u32,
        best: &mut Best,
    ) {
        let bits = judged.address_bits();
        let best_bits = if judged.sample.len() <= FEW {
            BEST_BITS_OF_FEW
        } else {
            BEST_BITS
        };
        for &Bit {
            word,
            position: bit,
            ..
        } in bits.iter().take(best_bits)
        {
            let Some(&known) = judged.region.mask.get(word) else {
                continue;
            };
            let is_useful = |bit: u32| {
                bits.iter()
                    .any(|one| one.word == word && one.position == bit)
            };
            for width in 1..=widest {
                let ends = [
                    (bit + 1).checked_sub(width),
                    (bit + width <= 32).then_some(bit),
                ];
                let ends = ends
                    .into_iter()
                    .flatten()
                    .take(if width == 1 { 1 } else { 2 });
                for shift in ends {
                    let known = known & (low_bits(width) << shift) != 0;
                    if known || !is_useful(shift) || !is_useful(shift + width - 1) {
                        continue;
                    }
                    let parts = 1 << width;
                    let score = self.score(judged, parts, |item| window(item, word, shift, width));
                    best.offer(score, Cut::Address { word, shift, width });
                }
            }
        }
    }

    /// A cut by the value of a field with few values that nothing has been decided about.
    fn index_cut<const P: usize>(&mut self, judged: &Judged<'_, P>, index: usize, best: &mut Best) {
        let by_value = [
            lane::PROTOCOL,
            lane::SOURCE_SETS,
            lane::DESTINATION_SETS,
            lane::TCP_FLAGS,
            lane::VLAN,
        ];
        let Some(&within) = judged.region.fields.get(index) else {
            return;
        };
        let differs = |item: &&Item<P>| {
            let accepted = fields_of(item, judged.fields).and_then(|one| one.accepted.get(index));
            accepted.is_some_and(|accepted| !accepted.covers(within))
        };
        if within.first != 0 || within.last < 2 || !by_value.map(field).contains(&index) {
            return;
        }
        let width = within.last.ilog2() + 1;
        // Many bounds in few items are cheaper to compare.
        let worth = judged.sample.iter().filter(|item| differs(item)).count();
        if width > INDEX_WIDTH || worth <= RANGE_BOUNDS {
            return;
        }
        let score = self.score_pieces(judged, 1 << width, |item, add| {
            let fields = fields_of(item, judged.fields);
            let accepted = fields.and_then(|one| one.accepted.get(index));
            for piece in accepted.map_or(&[][..], |accepted| accepted.within(within)) {
                add(*piece);
            }
        });
        best.offer(
            score,
            Cut::Index {
                field: index,
                width,
            },
        );
    }

    fn score<const P: usize>(
        &mut self,
        judged: &Judged<'_, P>,
        parts: usize,
        interval: impl Fn(&Item<P>) -> Interval,
    ) -> f64 {
        self.score_pieces(judged, parts, |item, add| add(interval(item)))
    }

    /// What is left after a cut into `parts` equal parts; `pieces` gives the parts an item is in.
    fn score_pieces<const P: usize>(
        &mut self,
        judged: &Judged<'_, P>,
        parts: usize,
        pieces: impl Fn(&Item<P>, &mut dyn FnMut(Interval)),
    ) -> f64 {
        self.changes.clear();
        self.changes.resize(parts + 1, Change::default());
        if let Some(first) = self.changes.first_mut() {
            first.differs = true;
        }
        for item in &judged.sample {
            let mut values = 0.0;
            pieces(item, &mut |piece| {
                values += f64::from(piece.last - piece.first + 1);
            });
            let share = 1.0 / values;
            pieces(item, &mut |piece| {
                self.change(piece.first, 1, share);
                self.change(piece.last + 1, -1, -share);
            });
        }
        let (mut items, mut share, mut left, mut of_part) = (0, 0.0, 0.0, 0.0);
        let mut memory = float(parts);
        for change in self.changes.iter().take(parts) {
            items += change.items;
            share += change.share;
            if change.differs {
                let here = f64::from(items) * judged.scale;
                of_part = work(here);
                memory += here * condition_words::<P>() / 2.0;
            }
            left += share * of_part;
        }
        judged.total(left, memory)
    }

    fn change(&mut self, part: u32, items: i32, share: f64) {
        let slot = usize::try_from(part).ok();
        if let Some(slot) = slot.and_then(|part| self.changes.get_mut(part)) {
            slot.items += items;
            slot.share += share;
            slot.differs = true;
        }
    }
}

/// An address bit in which items differ.
struct Bit {
    word: usize,
    position: u32,
    /// Pairs of items that stay together when it is decided, in the square.
    together: u64,
}

impl<const P: usize> Judged<'_, P> {
    /// The open address bits in which two items differ, those that part the items best first.
    fn address_bits(&self) -> Vec<Bit> {
        let mut bits = Vec::new();
        for (word, known) in self.region.mask.iter().enumerate() {
            let (mut ones, mut zeros) = ([0_u64; 32], [0_u64; 32]);
            let (mut any_one, mut any_zero) = (0, 0);
            for item in &self.sample {
                if let (Some(value), Some(mask)) = (item.value.get(word), item.mask.get(word)) {
                    let (one, zero) = (value & mask, !value & mask);
                    any_one |= one;
                    any_zero |= zero;
                    let counts = ones.iter_mut().zip(&mut zeros);
                    for (bit, (ones, zeros)) in (0..32).zip(counts) {
                        *ones += u64::from(one >> bit & 1);
                        *zeros += u64::from(zero >> bit & 1);
                    }
                }
            }
            let useful = any_one & any_zero & !known;
            let all = u64::try_from(self.sample.len()).unwrap_or(0);
            for (bit, (ones, zeros)) in (0..32).zip(ones.into_iter().zip(zeros)) {
                if useful >> bit & 1 != 0 {
                    let (with_one, with_zero) = (all - zeros, all - ones);
                    bits.push(Bit {
                        word,
                        position: bit,
                        together: with_one * with_one + with_zero * with_zero,
                    });
                }
            }
        }
        bits.sort_by_key(|bit| bit.together);
        bits
    }

    /// The cost of a cut that leaves this much work to the sample and takes this many words.
    fn total(&self, left: f64, memory: f64) -> f64 {
        let memory = memory / (self.items * condition_words::<P>());
        1.0 + left * self.scale / self.items + MEMORY_COST * memory
    }

    /// A cut at up to four of the values where an item's range begins or ends.
    fn range_cut(&self, field: usize, best: &mut Best) {
        let Some(&within) = self.region.fields.get(field) else {
            return;
        };
        let mut ends = Vec::new();
        for item in &self.sample {
            for piece in self.pieces(item, field, within) {
                let before = piece.first.checked_sub(1);
                ends.extend(before.filter(|&end| end >= within.first));
                ends.extend(Some(piece.last).filter(|&end| end < within.last));
            }
        }
        // The highest value cannot be a bound: unused bounds are it.
        let mut ends: Vec<u16> = ends
            .into_iter()
            .filter_map(|end| u16::try_from(end).ok())
            .filter(|&end| end < u16::MAX)
            .collect();
        ends.sort_unstable();
        let bounds = bounds(&ends);
        if bounds.is_empty() {
            return;
        }
        let mut last = [u16::MAX; RANGE_BOUNDS];
        for (slot, bound) in last.iter_mut().zip(&bounds) {
            *slot = *bound;
        }
        let cut = Cut::Range {
            field,
            last,
            bounds: bounds.len(),
        };
        best.offer(self.range_score(field, cut, within), cut);
    }

    fn range_score(&self, field: usize, cut: Cut, within: Interval) -> f64 {
        let parts = parts(cut, within);
        let mut items = [0.0; RANGE_BOUNDS + 1];
        let mut shares = [0.0; RANGE_BOUNDS + 1];
        for item in &self.sample {
            let accepted = fields_of(item, self.fields).and_then(|one| one.accepted.get(field));
            let Some(accepted) = accepted else { continue };
            let met = parts.iter().filter(|&&part| accepted.meets(part)).count();
            let slots = items.iter_mut().zip(&mut shares);
            for (&part, (items, share)) in parts.iter().zip(slots) {
                if accepted.meets(part) {
                    *items += self.scale;
                    *share += 1.0 / float(met);
                }
            }
        }
        let left: f64 = items
            .iter()
            .zip(shares)
            .map(|(&n, share)| share * work(n))
            .sum();
        let memory: f64 = items.iter().sum::<f64>() * condition_words::<P>() / 2.0;
        self.total(left, 6.0 + memory)
    }

    fn pieces<'a>(&'a self, item: &Item<P>, field: usize, within: Interval) -> &'a [Interval] {
        let fields = fields_of(item, self.fields);
        let accepted = fields.and_then(|one| one.accepted.get(field));
        accepted.map_or(&[], |accepted| accepted.within(within))
    }
}

/// Up to four of the sorted values: all, or those that divide them evenly.
fn bounds(sorted: &[u16]) -> Vec<u16> {
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    if distinct.len() <= RANGE_BOUNDS {
        return distinct;
    }
    let places = (1..=RANGE_BOUNDS).map(|part| part * sorted.len() / (RANGE_BOUNDS + 1));
    let mut chosen: Vec<_> = places
        .filter_map(|place| sorted.get(place).copied())
        .collect();
    chosen.dedup();
    chosen
}

/// The parts of a range cut within a region.
pub(super) fn parts(cut: Cut, within: Interval) -> Vec<Interval> {
    let Cut::Range { last, bounds, .. } = cut else {
        return Vec::new();
    };
    let mut first = within.first;
    let mut parts = Vec::with_capacity(bounds + 1);
    for &bound in last.iter().take(bounds) {
        let bound = u32::from(bound);
        parts.push(Interval { first, last: bound });
        first = bound + 1;
    }
    parts.push(Interval {
        first,
        last: within.last,
    });
    parts
}

/// A cut of the field that one item accepts in most pieces.
pub(super) fn split_pieces<const P: usize>(
    item: &Item<P>,
    fields: &[Arc<Fields>],
    region: &Region<P>,
) -> Option<Cut> {
    let accepted = &fields_of(item, fields)?.accepted;
    let numbered = accepted.iter().zip(&region.fields).enumerate();
    let most = numbered
        .filter(|(index, _)| *index != field(lane::TCP_FLAGS))
        .max_by_key(|(_, (accepted, within))| accepted.within(**within).len());
    let (index, (accepted, &within)) = most?;
    let ends = accepted.within(within).iter().map(|piece| piece.last);
    let ends: Vec<u16> = ends
        .filter(|&end| end < within.last)
        .filter_map(|end| u16::try_from(end).ok())
        .filter(|&end| end < u16::MAX)
        .collect();
    let bounds = bounds(&ends);
    let mut last = [u16::MAX; RANGE_BOUNDS];
    for (slot, bound) in last.iter_mut().zip(&bounds) {
        *slot = *bound;
    }
    (!bounds.is_empty()).then_some(Cut::Range {
        field: index,
        last,
        bounds: bounds.len(),
    })
}

/// The best cut so far.
struct Best {
    score: f64,
    cut: Option<Cut>,
}

impl Best {
    fn offer(&mut self, score: f64, cut: Cut) {
        if score < self.score {
            *self = Self {
                score,
                cut: Some(cut),
            };
        }
    }
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
