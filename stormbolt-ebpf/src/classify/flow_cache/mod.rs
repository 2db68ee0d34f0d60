//! The rule of a flow that this CPU has seen before, without a walk.
//!
//! The tables are explained at [`stormbolt_common::flow_cache`]. A packet that is not known takes a place
//! in the cache at once, and [`remember`] writes there what the rules say of it.

mod gauge;
mod key;
mod line;

use stormbolt_common::classifier::lane;
use stormbolt_common::flow_cache::FlowMask;

use super::word::low;
use crate::tables::Rules;
use key::Key;
pub(super) use line::remember;

/// Looks for the rule of the packet in the lanes, and puts it there where it is known; else
/// [`lane::FLOW_PLACE`] says where it is to be remembered.
#[inline(always)]
pub(super) fn recall<R: Rules>(rules: &mut R, mask: &FlowMask, generation: u32) -> bool {
    if mask.seed == 0 {
        return false;
    }
    let key = Key::in_lanes(rules, mask);
    let number = key.hash(mask.seed);
    let Some(toss) = gauge::enter(rules.flow_gauge(), number, low(mask.window)) else {
        return false;
    };
    let found = if key.is_ipv4 {
        line::find_ipv4(rules, &key, number, generation, toss)
    } else {
        line::find_ipv6(rules, &key, number, generation, toss)
    };
    let Some(rule) = found else {
        gauge::missed(rules.flow_gauge());
        return false;
    };
    rules.set_lane(lane::VERDICT, rule.verdict);
    rules.set_lane(lane::COUNTER, rule.counter);
    true
}
