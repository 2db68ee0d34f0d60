//! StormBolt's XDP programs: the one that is attached to every interface in the policy, and the one
//! that says what it would do.
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
use stormbolt_common::outcome::Outcome;
use stormbolt_ebpf::pipeline;

use crate::kernel::packet::XdpPacket;
use crate::kernel::tables::{MapTables, write_explained};

/// Takes every frame that arrives through the stages. The only place where an outcome becomes a
/// verdict.
#[xdp]
pub(crate) fn stormbolt(context: XdpContext) -> u32 {
    let packet = XdpPacket::new(&context);
    let Some(mut tables) = MapTables::new(&context) else {
        return xdp_action::XDP_PASS;
    };
    let outcome = pipeline::process(&packet, &mut tables);
    if outcome == Outcome::ClassSteered {
        xdp_action::XDP_REDIRECT
    } else if outcome.is_drop() {
        xdp_action::XDP_DROP
    } else {
        xdp_action::XDP_PASS
    }
}

/// Takes a frame of user space's own through the same parser and rules, and says what they say. Never
/// attached: it counts, spends and steers nothing.
#[xdp]
pub(crate) fn explain(context: XdpContext) -> u32 {
    let packet = XdpPacket::new(&context);
    if let Some(mut tables) = MapTables::new(&context) {
        write_explained(pipeline::explain(&packet, &mut tables));
    }
    xdp_action::XDP_PASS
}
