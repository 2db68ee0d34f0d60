//! Which of the rules before the first match came closest, and how the others failed.

use std::collections::BinaryHeap;
use std::sync::Arc;

use super::compare::Comparison;
use super::field::{Field, Fields};
use super::packet::Packet;
use crate::policy::{Rule, Set};

/// A rule before the first match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// Its position, from 0.
    pub position: usize,
    /// The fields that do not accept the packet, at least one.
    pub failing: Fields,
}

/// Why a packet meets the rule that it meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Position of the first rule that matches; `None`: the default class takes the packet.
    pub first_match: Option<usize>,
    /// Of the rules before that one (all of them if there is none), those with the fewest failing
    /// fields; the earlier first where as many fail.
    pub nearest: Vec<NearMiss>,
    /// How many other rules there are before it, by the first field that fails, in the order of
    /// [`Field::ALL`].
    pub others: Vec<(Field, usize)>,
}

/// Compares `packet` with the rules up to the first that matches. Names at most `limit` of those
/// before it, and counts the rest.
///
/// Takes time in proportion to the number of rules and of the prefixes in them, but not of those in
/// sets.
pub fn why(rules: &[Arc<Rule>], sets: &[Arc<Set>], packet: &Packet, limit: usize) -> Why {
    let comparison = Comparison::new(packet, sets);
    let mut first_match = None;
    // The farthest on top.
    let mut nearest: BinaryHeap<(u32, usize, Fields)> = BinaryHeap::new();
    let mut failed_first = [0_usize; Field::ALL.len()];
    for (position, rule) in rules.iter().enumerate() {
        let failing = comparison.failing(&rule.matches);
        if failing.is_empty() {
            first_match = Some(position);
            break;
        }
        nearest.push((failing.count(), position, failing));
        if nearest.len() > limit
            && let Some((_, _, failing)) = nearest.pop()
        {
            count(&mut failed_first, failing);
        }
    }
    let nearest = nearest.into_sorted_vec().into_iter();
    let nearest = nearest.map(|(_, position, failing)| NearMiss { position, failing });
    let others = Field::ALL.into_iter().zip(failed_first);
    Why {
        first_match,
        nearest: nearest.collect(),
        others: others.filter(|(_, rules)| *rules > 0).collect(),
    }
}

/// Counts a rule by the first field that fails.
fn count(failed_first: &mut [usize; Field::ALL.len()], failing: Fields) {
    let counts = Field::ALL.into_iter().zip(failed_first);
    for (_, count) in counts.filter(|(field, _)| Some(*field) == failing.first()) {
        *count += 1;
    }
}
