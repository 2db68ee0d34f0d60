//! A walk from the root of a tree to its end.

use stormbolt_common::classifier::{Edge, Kind, MAX_CUTS};

use crate::tables::Rules;

/// Edges of the longest walk: one to every cut and one to what is behind the last.
const EDGES: u32 = MAX_CUTS + 1;
/// The highest bit of each of four numbers of 16 bits in a word.
const HIGHEST: u64 = 0x8000_8000_8000_8000;
/// One in each of four numbers of 16 bits in a word.
const ONES: u64 = 0x0001_0001_0001_0001;

/// Follows the edges from `root` until one leads to something else than a cut.
///
/// Lanes count from `first_lane` on, so that one tree serves both addresses. `None`: a word is
/// missing, or there are more cuts than there may be.
#[inline(always)]
pub(super) fn walk<R: Rules>(rules: &R, root: Edge, first_lane: u32) -> Option<Edge> {
    let mut edge = root;
    for _ in 0..EDGES {
        let value = |edge: Edge| rules.lane(edge.lane() + first_lane) >> edge.shift();
        edge = match edge.kind() {
            Kind::Bits => {
                let index = value(edge) & ((1 << edge.width()) - 1);
                Edge(rules.word(edge.base().wrapping_add(index))?)
            }
            Kind::Range => range(rules, edge.base(), value(edge))?,
            Kind::Choice => choice(rules, edge.base(), value(edge))?,
            Kind::Nothing | Kind::Leaf | Kind::Value => return Some(edge),
        };
    }
    None
}

/// The edge of the part that the lowest 16 bits of `value` lie in.
///
/// The value is held against all four bounds at once (Lamport, Multiple byte processing with
/// full-word instructions, 1975): a search would branch on what nothing can predict.
#[inline(always)]
fn range<R: Rules>(rules: &R, base: u32, value: u32) -> Option<Edge> {
    let bounds = rules.word(base)?;
    let values = u64::from(value & 0xffff).wrapping_mul(ONES);
    // Per number: the highest bit says whether the other bits of the bound are at least those of
    // the value; together with both highest bits that decides.
    let low = (bounds | HIGHEST).wrapping_sub(values & !HIGHEST);
    let at_least = ((bounds & !values) | (!(bounds ^ values) & low)) & HIGHEST;
    let count = (at_least >> 15).wrapping_mul(ONES) >> 48;
    let part = 5_u32.wrapping_sub(u32::try_from(count).ok()?);
    Some(Edge(rules.word(base.wrapping_add(part))?))
}

/// The edge that the bit of the lowest eight bits of `value` says.
#[inline(always)]
fn choice<R: Rules>(rules: &R, base: u32, value: u32) -> Option<Edge> {
    let bits = rules.word(base.wrapping_add(value >> 6 & 3))?;
    let bit = u32::try_from(bits >> (value & 63) & 1).ok()?;
    Some(Edge(rules.word(base.wrapping_add(4 + bit))?))
}
