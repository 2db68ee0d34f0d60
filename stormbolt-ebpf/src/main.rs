//! StormBolt's XDP program: one program, attached to every interface in the policy.
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
use crate::kernel::tables::MapTables;

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
