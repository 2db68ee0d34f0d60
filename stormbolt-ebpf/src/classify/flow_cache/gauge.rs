//! Whether it pays to look packets up.
//!
//! In a flood of ever new flows nothing is found, and what is written drives out the flows that would
//! be. Then only few flows are looked up, always the same ones, until three of four packets are found.

use stormbolt_common::flow_cache::FlowGauge;

/// Packets between two looks at the gauge: enough for the flows of a busy CPU to be learnt.
const WINDOW: u32 = 1 << 16;
/// Likewise while few flows are looked up.
const SAMPLE: u32 = 1 << 10;
/// One flow in so many is looked up then.
const ONE_IN: u32 = 16;

/// Takes note of a packet whose flow has this hash, and returns two bits that are as good as random.
/// `None`: the packet is not to be looked up.
#[inline(always)]
pub(super) fn enter(gauge: &mut FlowGauge, hash: u32) -> Option<u32> {
    if gauge.is_sampling != 0 && hash >> 16 & (ONE_IN - 1) != 0 {
        return None;
    }
    if gauge.left == 0 {
        begin(gauge);
    }
    gauge.left = gauge.left.wrapping_sub(1);
    // Mixed, since flows that take turns meet the same last bits every time.
    Some(gauge.left.wrapping_mul(0x9e37_79b1) >> 30)
}

/// Takes note that the packet was not found.
#[inline(always)]
pub(super) fn missed(gauge: &mut FlowGauge) {
    gauge.missed = gauge.missed.wrapping_add(1);
}

/// Begins anew, in the way that pays: a packet that is not found costs up to three times what one that is
/// found saves.
#[inline(always)]
fn begin(gauge: &mut FlowGauge) {
    let looked_up = if gauge.is_sampling == 0 {
        WINDOW
    } else {
        SAMPLE
    };
    let pays = gauge.missed <= looked_up / 4;
    gauge.is_sampling = u32::from(!pays);
    gauge.left = if pays { WINDOW } else { SAMPLE };
    gauge.missed = 0;
}
