//! The lines of the cache.

use stormbolt_common::classifier::{BROKEN, lane};
use stormbolt_common::flow_cache::{FlowLine, IPV6, VERDICT_SHIFT};
use stormbolt_common::policy::RuleEntry;

use super::super::word::high;
use super::key::Key;
use crate::tables::Rules;

/// What the numbers of the lines differ by in which an IPv4 flow may be.
const PAIR: [u32; 2] = [0, 1];
/// Likewise of an IPv6 flow.
const EIGHT: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
/// Bits of a word above the key.
const ABOVE_KEY: u32 = 64 - VERDICT_SHIFT;

/// One packet in sixteen that is not found in the first line brings its flow there.
const FORWARD_SHIFT: u32 = 28;

/// In [`lane::FLOW_PLACE`]: the line's first flow, its second one, its only one.
const FIRST: u32 = 1;
const SECOND: u32 = 2;
const ONLY: u32 = 3;

/// The rule of an IPv4 flow. One that is not known takes a place, if there is one or if it [may take](taken_place)
/// that of another flow.
#[inline(always)]
pub(super) fn find_ipv4<R: Rules>(
    rules: &mut R,
    key: &Key,
    number: u32,
    generation: u32,
    toss: u32,
) -> Option<RuleEntry> {
    let wanted = u64::from(generation) << 1;
    for other in PAIR {
        let [first, second] = &rules.flow_line(number ^ other)?.halves;
        let &[_, _, first_verdict, first_state] = first;
        let &[_, _, second_verdict, second_state] = second;
        // Which of the two it is nothing can predict, so there is no branch.
        let is_first = all_if_zero(differs_ipv4(key, first, wanted));
        let is_second = all_if_zero(differs_ipv4(key, second, wanted));
        if is_first | is_second != 0 {
            let verdict = first_verdict & is_first | second_verdict & is_second;
            let state = first_state & is_first | second_state & is_second;
            bring_forward(rules, number, other, toss);
            return Some(entry(verdict, state));
        }
    }
    let [addresses, ..] = key.addresses;
    let flow = [addresses, key.ports, key.rest, 0];
    let room = first_line(rules, number, PAIR, |line| has_room(line, generation));
    let taken = match room {
        Some(_) => 0,
        None => taken_place(toss)?,
    };
    let number = number ^ room.unwrap_or(taken & 1);
    let [first, second] = &mut rules.flow_line(number)?.halves;
    let [.., first_state] = first;
    let [.., second_state] = second;
    let both_live = is_live(*first_state, generation) && is_live(*second_state, generation);
    let place = if !is_live(*first_state, generation) || both_live && taken & 2 != 0 {
        *first = flow;
        FIRST
    } else {
        // An IPv6 flow had both.
        if *first_state & IPV6 != 0 {
            *first_state = 0;
        }
        *second = flow;
        SECOND
    };
    rules.set_lane(lane::FLOW_LINE, number);
    rules.set_lane(lane::FLOW_PLACE, place);
    None
}

/// Likewise of an IPv6 flow.
#[inline(always)]
pub(super) fn find_ipv6<R: Rules>(
    rules: &mut R,
    key: &Key,
    number: u32,
    generation: u32,
    toss: u32,
) -> Option<RuleEntry> {
    let wanted = u64::from(generation) << 1 | 1;
    for other in EIGHT {
        let line = rules.flow_line(number ^ other)?;
        if differs_ipv6(key, line, wanted) == 0 {
            let [[.., state], [_, _, verdict, _]] = line.halves;
            bring_forward(rules, number, other, toss);
            return Some(entry(verdict, state));
        }
    }
    let number = number
        ^ match first_line(rules, number, EIGHT, |line| is_empty(line, generation)) {
            Some(empty) => empty,
            None => taken_place(toss)?,
        };
    let [source, source_low, destination, destination_low] = key.addresses;
    rules.flow_line(number)?.halves = [
        [source, source_low, destination, 0],
        [destination_low, key.ports, key.rest, 0],
    ];
    rules.set_lane(lane::FLOW_LINE, number);
    rules.set_lane(lane::FLOW_PLACE, ONLY);
    None
}

/// Which of eight places a flow takes where all are taken; `None`: it takes none, like every other packet of
/// a flow that is not known. Were it each of them, five flows for four places would drive one another out more
/// often; were it fewer, short flows would hardly be known before they end. And it is as good as random which
/// place, for the first reason.
#[inline(always)]
const fn taken_place(toss: u32) -> Option<u32> {
    if toss >> 31 == 0 {
        Some(toss >> 28)
    } else {
        None
    }
}

/// Moves a flow that was found to where it is looked for first, now and then: one that came while all places
/// were taken by a flood has any of them, and with all flows like that an IPv6 packet would look at four lines and more.
#[inline(always)]
fn bring_forward<R: Rules>(rules: &mut R, number: u32, other: u32, toss: u32) {
    if other != 0 && toss >> FORWARD_SHIFT == 0 {
        rules.swap_flow_lines(number, number ^ other);
    }
}

/// The first line that is `fit`, where a flow is found soonest; `None`: none of them is.
#[inline(always)]
fn first_line<R: Rules, const N: usize>(
    rules: &mut R,
    number: u32,
    others: [u32; N],
    fit: impl Fn(&FlowLine) -> bool,
) -> Option<u32> {
    for other in others {
        if fit(rules.flow_line(number ^ other)?) {
            return Some(other);
        }
    }
    None
}

/// Whether no flow is in the line.
#[inline(always)]
const fn is_empty(line: &FlowLine, generation: u32) -> bool {
    let [[.., first], [.., second]] = line.halves;
    !is_live(first, generation) && !is_live(second, generation)
}

/// Whether one more IPv4 flow has room.
#[inline(always)]
const fn has_room(line: &FlowLine, generation: u32) -> bool {
    let [[.., first], [.., second]] = line.halves;
    !is_live(first, generation) || first & IPV6 == 0 && !is_live(second, generation)
}

#[inline(always)]
const fn is_live(state: u64, generation: u32) -> bool {
    high(state) == generation
}

/// All bits where `number` is zero, else none.
#[inline(always)]
const fn all_if_zero(number: u64) -> u64 {
    ((number | number.wrapping_neg()) >> 63).wrapping_sub(1)
}

/// Zero where `flow` is that of the key; `wanted` is what is above the counter in its state.
#[inline(always)]
const fn differs_ipv4(key: &Key, flow: &[u64; 4], wanted: u64) -> u64 {
    let [ours, ..] = key.addresses;
    let &[addresses, ports, rest, state] = flow;
    addresses ^ ours | ports ^ key.ports | (rest ^ key.rest) << ABOVE_KEY | state >> 31 ^ wanted
}

/// Zero where the line's only flow is that of the key.
#[inline(always)]
const fn differs_ipv6(key: &Key, line: &FlowLine, wanted: u64) -> u64 {
    let [
        our_source,
        our_source_low,
        our_destination,
        our_destination_low,
    ] = key.addresses;
    let [
        [source, source_low, destination, state],
        [destination_low, ports, rest, zero],
    ] = line.halves;
    let addresses = source ^ our_source
        | source_low ^ our_source_low
        | destination ^ our_destination
        | destination_low ^ our_destination_low;
    let others = ports ^ key.ports | (rest ^ key.rest) << ABOVE_KEY;
    addresses | others | state >> 31 ^ wanted | zero
}

/// The rule that the words of a flow tell.
#[inline(always)]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "verdicts are the upper bits with their sign, counters the lower ones"
)]
const fn entry(verdict: u64, state: u64) -> RuleEntry {
    RuleEntry {
        verdict: (verdict as i64 >> VERDICT_SHIFT) as u32,
        counter: state as u32 & 0x7fff_ffff,
    }
}

/// Remembers what the rules say of the packet in the lanes.
#[inline(always)]
pub(in super::super) fn remember<R: Rules>(rules: &mut R, generation: u32) {
    let place = rules.lane(lane::FLOW_PLACE);
    let (verdict, counter) = (rules.lane(lane::VERDICT), rules.lane(lane::COUNTER));
    if place == 0 || verdict == BROKEN {
        return;
    }
    let number = rules.lane(lane::FLOW_LINE);
    let known = u64::from(generation) << 32 | u64::from(counter);
    let verdict = u64::from(verdict) << VERDICT_SHIFT;
    let Some(line) = rules.flow_line(number) else {
        return;
    };
    let [
        [_, _, first_verdict, first_state],
        [_, _, second_verdict, second_state],
    ] = &mut line.halves;
    match place {
        FIRST => {
            *first_verdict |= verdict;
            *first_state = known;
        }
        SECOND => {
            *second_verdict |= verdict;
            *second_state = known;
        }
        _ => {
            *second_verdict |= verdict;
            *first_state = known | IPV6;
        }
    }
}
