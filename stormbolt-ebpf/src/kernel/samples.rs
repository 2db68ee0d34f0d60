//! Shows frames to user space.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;
use stormbolt_common::classifier::lane;
use stormbolt_common::sample::{NO_RULE, NOT_CLASSIFIED, SAMPLE_BYTES, Sample, SampleHead, Taken};
use stormbolt_ebpf::packet::PacketBytes as _;
use stormbolt_ebpf::police::{Clock as _, low_half};
use stormbolt_ebpf::sample::{enter, no_room, stands_for_halves};
use stormbolt_ebpf::tables::{Rules as _, Tables as _};

use super::maps;
use super::packet::XdpPacket;
use super::tables::MapTables;

/// Copies the frame to where user space reads it, if there is room. User space looks there by itself: waking it up for
/// single frames would cost more than they do.
#[inline(always)]
pub(crate) fn show_to_user_space(context: &XdpContext, tables: &mut MapTables, taken: Taken) {
    let sampling = tables.sampling();
    let clock = tables.clock();
    let jiffy = low_half(clock.jiffy());
    // SAFETY: the helper takes no argument and cannot fail.
    let random = unsafe { bpf_get_prandom_u32() };
    if !enter(tables.sample_gauge(), sampling, taken, jiffy, random) {
        return;
    }
    let Some(mut place) = maps::SAMPLES.reserve(0) else {
        no_room(tables.sample_gauge(), taken);
        return;
    };
    let frame_bytes = u32::try_from(XdpPacket::new(context).length()).unwrap_or(u32::MAX);
    let gauge = *tables.sample_gauge();
    let (verdict, rule) = said_by_rules(tables, taken);
    let sample: *mut Sample = place.as_mut_ptr();
    // SAFETY: it was reserved for one of these, and this is its field.
    let bytes = unsafe { &raw mut (*sample).bytes };
    // Never zero, which the verifier does not like: for no frame at all the helper fails.
    let wanted = 1 + least(frame_bytes.wrapping_sub(1), WHOLE - 1);
    // SAFETY: there is room for all bytes that are wanted, and the frame has as many.
    let copied = unsafe { bpf_xdp_load_bytes(context.ctx, 0, bytes.cast(), wanted) };
    let head = SampleHead {
        time_ns: clock.now_ns(),
        ifindex: u32::try_from(context.ingress_ifindex()).unwrap_or(0),
        cpu: tables.this_cpu(),
        frame_bytes,
        taken_bytes: if copied == 0 { wanted } else { 0 },
        generation: tables.generation(),
        verdict,
        rule,
        outcome: taken.outcome,
        stands_for_halves: stands_for_halves(sampling, taken),
        is_watched: u32::from(taken.is_watched),
        no_room: gauge.no_room,
        over_limit: gauge.over_limit,
    };
    // SAFETY: a sample begins with its head.
    unsafe { sample.cast::<SampleHead>().write(head) };
    place.submit(u64::from(BPF_RB_NO_WAKEUP));
}

#[expect(clippy::as_conversions, reason = "constant; it fits")]
#[expect(clippy::cast_possible_truncation, reason = "constant; it fits")]
const WHOLE: u32 = SAMPLE_BYTES as u32;

/// What rules or the default say of the packet, and which rule.
#[inline(always)]
fn said_by_rules(tables: &MapTables, taken: Taken) -> (u32, u32) {
    if !taken.is_classified {
        return (NOT_CLASSIFIED, NO_RULE);
    }
    match tables.lane(lane::VERDICT) {
        stormbolt_common::classifier::BROKEN => (NOT_CLASSIFIED, NO_RULE),
        stormbolt_common::classifier::NO_RULE => match tables.policy() {
            Some(policy) => (policy.default_class, NO_RULE),
            None => (NOT_CLASSIFIED, NO_RULE),
        },
        verdict => (verdict, tables.lane(lane::COUNTER)),
    }
}

/// The lower of the two.
#[inline(always)]
const fn least(number: u32, limit: u32) -> u32 {
    if number < limit { number } else { limit }
}
