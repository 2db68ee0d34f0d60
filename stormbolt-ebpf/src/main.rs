//! StormBolt's XDP programs: the one that is attached to every interface in the policy, and the one
//! that says what it would do; each goes over into a second one for the rules, and the first then into a third one where a
//! lease does not pay.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "compare-and-swap on BPF is only reachable as an intrinsic"
)]

mod kernel;

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use stormbolt_common::classifier::lane;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::programs;
use stormbolt_common::sample::Taken;
use stormbolt_ebpf::sample::Rest;
use stormbolt_ebpf::tables::Rules as _;
use stormbolt_ebpf::{pipeline, sample, unpaid};

use crate::kernel::packet::XdpPacket;
use crate::kernel::samples::show_to_user_space;
use crate::kernel::tables::{MapTables, go_on_to_follower, go_over, write_explained};

/// Takes every frame that arrives into the stages.
#[xdp]
#[inline(always)]
pub(crate) fn stormbolt(context: XdpContext) -> u32 {
    let packet = XdpPacket::new(&context);
    let Some(mut tables) = MapTables::of_arrival(&context) else {
        return xdp_action::XDP_PASS;
    };
    if let Some(outcome) = pipeline::begin(&packet, &mut tables) {
        let rest = sample::rest_early(&mut tables, outcome);
        return end(&context, &tables, outcome, rest);
    }
    sample::choose(&mut tables);
    go_over(&context, programs::RULES);
    let outcome = pipeline::stranded(&mut tables);
    let rest = sample::rest_unless_shown(tables.lane(lane::SAMPLE));
    end(&context, &tables, outcome, rest)
}

/// Takes the frame in the lanes through the other stages.
///
/// Never a function of its own: it would get the ends of the packet as two numbers, and the verifier knows no packet
/// whose end has been kept as one.
#[xdp]
#[inline(always)]
pub(crate) fn stormbolt_rules(context: XdpContext) -> u32 {
    let packet = XdpPacket::new(&context);
    match MapTables::of_lanes() {
        Some(mut tables) => {
            let outcome = if let Some(outcome) = pipeline::finish(&packet, &mut tables) {
                outcome
            } else {
                go_over(&context, programs::UNPAID);
                pipeline::stranded(&mut tables)
            };
            let rest = sample::rest(&mut tables, outcome);
            end(&context, &tables, outcome, rest)
        }
        None => xdp_action::XDP_PASS,
    }
}

/// Takes the frame in the lanes through the rest, if this CPU's lease does not simply pay for it.
#[xdp]
#[inline(always)]
pub(crate) fn stormbolt_pay(context: XdpContext) -> u32 {
    let packet = XdpPacket::new(&context);
    match MapTables::of_lanes() {
        Some(mut tables) => {
            let outcome = unpaid::finish_unpaid(&packet, &mut tables);
            let rest = sample::rest(&mut tables, outcome);
            end(&context, &tables, outcome, rest)
        }
        None => xdp_action::XDP_PASS,
    }
}

/// Shows the frame to user space, and ends as the program would have that went over into this one. Few frames come
/// here, and copying one takes longer than all that was done with it.
#[xdp]
pub(crate) fn show(context: XdpContext) -> u32 {
    let Some(mut tables) = MapTables::of_lanes() else {
        return xdp_action::XDP_PASS;
    };
    tables.look_at_active();
    let word = tables.lane(lane::SAMPLE);
    let taken = Taken::of_word(word);
    show_to_user_space(&context, &mut tables, taken);
    match Outcome::ALL.get(usize::try_from(taken.outcome).unwrap_or(usize::MAX)) {
        Some(outcome) => end(&context, &tables, *outcome, sample::rest_unless_shown(word)),
        None => xdp_action::XDP_PASS,
    }
}

/// Takes a frame of user space's own through the same parser and rules, and says what they say. Never
/// attached: it counts, spends and steers nothing.
#[xdp]
pub(crate) fn explain(context: XdpContext) -> u32 {
    let packet = XdpPacket::new(&context);
    if let Some(mut tables) = MapTables::of_arrival(&context) {
        match pipeline::explain_arrival(&packet, &mut tables) {
            Some(explained) => write_explained(explained),
            None => go_over(&context, programs::EXPLAIN_RULES),
        }
    }
    xdp_action::XDP_PASS
}

/// The rest of `explain`, for the frame in the lanes.
#[xdp]
pub(crate) fn explain_rules(_context: XdpContext) -> u32 {
    if let Some(mut tables) = MapTables::of_lanes() {
        write_explained(pipeline::explain_rules(&mut tables));
    }
    xdp_action::XDP_PASS
}

/// Does what is left to be done with the packet in the lanes, and ends with its verdict or with that of the program that goes
/// on with what passes.
#[inline(always)]
fn end(context: &XdpContext, tables: &MapTables, outcome: Outcome, rest: Rest) -> u32 {
    if rest.is_shown {
        go_over(context, programs::SAMPLE);
    }
    let verdict = verdict(outcome);
    if rest.is_followed && verdict == xdp_action::XDP_PASS {
        go_on_to_follower(context, tables);
    }
    verdict
}

/// The only place where an outcome becomes a verdict.
#[inline(always)]
const fn verdict(outcome: Outcome) -> u32 {
    if matches!(outcome, Outcome::ClassSteered) {
        xdp_action::XDP_REDIRECT
    } else if outcome.is_drop() {
        xdp_action::XDP_DROP
    } else {
        xdp_action::XDP_PASS
    }
}
