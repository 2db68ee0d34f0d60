//! What the cuts so far have decided about a packet.

use std::sync::Arc;

use stormbolt_common::classifier::{RANGE_BOUNDS, lane};

use super::fields::{ByField, FIELDS, FIRST_FIELD, Fields};
use super::intervals::Interval;
use super::item::{Item, Words};

/// The packets that reach a part of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region<const P: usize> {
    /// Address bits that are known.
    pub(super) mask: Words<P>,
    /// What each field can still be.
    pub(super) fields: ByField<Interval>,
}

/// How a part is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// By `width` bits of an address word from bit `shift` on.
    Address { word: usize, shift: u32, width: u32 },
    /// By a field's values; `last` are the highest values of all parts but the last one.
    Range {
        field: usize,
        last: [u16; RANGE_BOUNDS],
        bounds: usize,
    },
    /// By a field's value.
    Index { field: usize, width: u32 },
}

impl<const P: usize> Region<P> {
    /// All packets.
    pub(super) const fn everything(domains: ByField<Interval>) -> Self {
        Self {
            mask: [0; P],
            fields: domains,
        }
    }

    /// Whether the item accepts all packets of the region.
    pub(super) fn is_in(&self, item: &Item<P>, fields: &[Arc<Fields>]) -> bool {
        let addresses = item.mask.iter().zip(&self.mask);
        let decided = addresses
            .into_iter()
            .all(|(wanted, known)| wanted & !known == 0);
        decided
            && fields_of(item, fields).is_some_and(|fields| {
                let mut pairs = fields.accepted.iter().zip(&self.fields);
                pairs.all(|(accepted, &within)| accepted.covers(within))
            })
    }

    /// What a field can still be.
    pub(super) fn field(&self, field: usize) -> Interval {
        let within = self.fields.get(field).copied();
        within.unwrap_or(Interval { first: 0, last: 0 })
    }

    /// The region of the values from `first` to `last` of an address cut or of a field.
    pub(super) fn part(&self, cut: Cut, values: Interval) -> Self {
        let mut part = *self;
        match cut {
            Cut::Address { word, shift, width } => {
                if let Some(mask) = part.mask.get_mut(word) {
                    *mask |= low_bits(width) << shift;
                }
            }
            Cut::Range { field, .. } | Cut::Index { field, .. } => {
                if let Some(slot) = part.fields.get_mut(field) {
                    slot.first = slot.first.max(values.first);
                    slot.last = slot.last.min(values.last);
                }
            }
        }
        part
    }
}

/// The fields of an item.
#[inline]
pub(super) fn fields_of<'a, const P: usize>(
    item: &Item<P>,
    fields: &'a [Arc<Fields>],
) -> Option<&'a Fields> {
    Some(fields.get(usize::try_from(item.fields).ok()?)?)
}

/// Ones in the lowest `width` bits.
pub(super) fn low_bits(width: u32) -> u32 {
    u32::MAX.checked_shr(32 - width).unwrap_or(0)
}

/// The children of an address cut that an item is in: prefixes leave the lower bits open.
#[inline]
pub(super) fn window<const P: usize>(
    item: &Item<P>,
    word: usize,
    shift: u32,
    width: u32,
) -> Interval {
    let (value, mask) = match (item.value.get(word), item.mask.get(word)) {
        (Some(value), Some(mask)) => (value >> shift, mask >> shift),
        _ => (0, 0),
    };
    let all = low_bits(width);
    Interval {
        first: value & mask & all,
        last: (value & mask | !mask) & all,
    }
}

/// The lane of an address word of an item with so many `words`.
pub(super) fn lane_of_word(words: usize, word: usize) -> u32 {
    let word = u32::try_from(word).unwrap_or(0);
    if words == 2 {
        lane::SOURCE + lane::ADDRESS_WORDS * word + lane::ADDRESS_WORDS - 1
    } else {
        lane::SOURCE + word
    }
}

/// The address word that a lane has, the inverse of [`lane_of_word`].
pub(super) fn word_of_lane<const P: usize>(lane: u32) -> Option<usize> {
    (0..P).find(|&word| lane_of_word(P, word) == lane)
}

/// The field that a lane has, the inverse of [`lane_of_field`].
pub(super) fn field_of_lane(lane: u32) -> Option<usize> {
    let field = usize::try_from(lane.checked_sub(FIRST_FIELD)?).ok()?;
    (field < FIELDS).then_some(field)
}

/// The lane of a field.
pub(super) fn lane_of_field(field: usize) -> u32 {
    FIRST_FIELD + u32::try_from(field.min(FIELDS)).unwrap_or(0)
}
