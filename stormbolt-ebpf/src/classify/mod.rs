//! Finds the first rule that a packet matches: a walk down a few decision trees.
//!
//! The structure is explained at [`stormbolt_common::classifier`]. The cost depends on the depth of
//! the trees, which the compiler keeps low, and hardly on the number of rules or of prefixes.

mod conditions;
mod flow_cache;
mod key;
mod walk;
mod word;

use stormbolt_common::classifier::{BROKEN, Edge, Kind, NO_RULE, TREES, lane};
use stormbolt_common::policy::{DESTINATION_SETS, PolicyHeader, RuleEntry, SOURCE_SETS};

use crate::tables::Rules;
use conditions::{Best, Packet};
pub use key::fill;
pub(crate) use key::is_ipv4;
use walk::walk;

/// What rules look at beside the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Index of the interface.
    pub interface: u32,
    /// Length of the frame in bytes, without FCS.
    pub length: u32,
}

/// A table that the policy needs is not there; the packet can't be classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableMissing;

/// The first rule that matches the packet in the lanes, or `None` where no rule matches.
///
/// # Errors
/// The trees lead outside of the tables, which only a half-written policy could cause.
#[inline(always)]
pub fn classify<R: Rules>(
    policy: &PolicyHeader,
    rules: &mut R,
) -> Result<Option<RuleEntry>, TableMissing> {
    walk_trees(policy, rules);
    decided(rules)
}

/// As [`classify`], but the trees are not asked for flows that are remembered.
///
/// # Errors
/// As [`classify`].
#[inline(always)]
pub fn classify_flow<R: Rules>(
    policy: &PolicyHeader,
    rules: &mut R,
) -> Result<Option<RuleEntry>, TableMissing> {
    let mask = *rules.flow_mask().ok_or(TableMissing)?;
    if !flow_cache::recall(rules, &mask, policy.generation) {
        walk_trees(policy, rules);
        flow_cache::remember(rules, policy.generation);
    }
    decided(rules)
}

/// Asks the trees, and leaves in the lanes what they say.
#[inline(always)]
fn walk_trees<R: Rules>(policy: &PolicyHeader, rules: &mut R) {
    let (verdict, counter) = match best_of_trees(rules, policy.used_sets) {
        None => (BROKEN, 0),
        Some(best) => match best.rule() {
            Some(rule) => (rule.verdict, rule.counter),
            None => (NO_RULE, 0),
        },
    };
    // Through memory: what comes back is one state to the verifier, whichever way led here, so it
    // follows what is done with it once.
    rules.set_lane(lane::VERDICT, verdict);
    rules.set_lane(lane::COUNTER, counter);
}

/// What the lanes say of the packet's rule.
#[inline(always)]
fn decided<R: Rules>(rules: &R) -> Result<Option<RuleEntry>, TableMissing> {
    match rules.lane(lane::VERDICT) {
        BROKEN => Err(TableMissing),
        NO_RULE => Ok(None),
        verdict => Ok(Some(RuleEntry {
            verdict,
            counter: rules.lane(lane::COUNTER),
        })),
    }
}

#[inline(always)]
fn best_of_trees<R: Rules>(rules: &mut R, used_sets: u32) -> Option<Best> {
    let is_ipv4 = key::is_ipv4(rules);
    let sets = rules.roots(is_ipv4)?.sets;
    if used_sets & SOURCE_SETS != 0 {
        let class = sets_of(rules, sets, lane::SOURCE)?;
        rules.set_lane(lane::SOURCE_SETS, class);
    }
    if used_sets & DESTINATION_SETS != 0 {
        let class = sets_of(rules, sets, lane::DESTINATION)?;
        rules.set_lane(lane::DESTINATION_SETS, class);
    }
    let roots = &rules.roots(is_ipv4)?.rules;
    let packet = Packet::in_lanes(rules, is_ipv4);
    let mut best = Best::NOTHING;
    for tree in 0..TREES {
        let root = roots.get(tree).copied().unwrap_or(Edge::NOTHING);
        if root == Edge::NOTHING {
            break;
        }
        let end = walk(rules, root, 0)?;
        if end.kind() == Kind::Leaf && end.priority_high() <= best.priority >> 16 {
            best = conditions::first(rules, end, &packet, best)?;
        }
    }
    Some(best)
}

/// The class of sets of the address that begins at lane `address`.
#[inline(always)]
fn sets_of<R: Rules>(rules: &R, root: Edge, address: u32) -> Option<u32> {
    let end = walk(rules, root, address)?;
    match end.kind() {
        Kind::Value => Some(end.base()),
        Kind::Nothing => Some(0),
        Kind::Bits | Kind::Range | Kind::Choice | Kind::Leaf => None,
    }
}
