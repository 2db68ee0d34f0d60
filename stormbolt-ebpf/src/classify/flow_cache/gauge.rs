//! Whether it pays to look packets up.
//!
//! In a flood of ever new flows nothing is found, and what is written drives out the flows that would
//! be. Then only the flows of a sixteenth of the lines are looked up, until three of four of their packets
//! are found. Which sixteenth changes now and then: the flows that matter may be in another one.

use stormbolt_common::flow_cache::FlowGauge;

/// Parts of the lines, of which one is looked at then.
const PARTS: u32 = 16;
/// The lowest bits of a hash say which of eight lines a flow is in; those above them are the part.
const PART_SHIFT: u32 = 3;
/// Windows for which a part stays the same: one to learn its flows, one to judge by.
const WINDOWS_A_PART: u32 = 2;

/// Takes note of a packet whose flow has this hash, and returns a number whose upper bits are as good as
/// random.
/// `None`: the packet is not to be looked up.
#[inline(always)]
pub(super) fn enter(gauge: &mut FlowGauge, hash: u32, window: u32) -> Option<u32> {
    if gauge.left == 0 {
        begin(gauge, window);
    }
    gauge.left = gauge.left.wrapping_sub(1);
    if gauge.is_sampling != 0 && part(hash >> PART_SHIFT) != part(gauge.windows / WINDOWS_A_PART) {
        return None;
    }
    gauge.looked_up = gauge.looked_up.wrapping_add(1);
    // Mixed, since flows that take turns meet the same last bits every time.
    Some(gauge.left.wrapping_mul(0x9e37_79b1))
}

/// Takes note that the packet was not found.
#[inline(always)]
pub(super) fn missed(gauge: &mut FlowGauge) {
    gauge.missed = gauge.missed.wrapping_add(1);
}

/// Begins a window, in the way that pays. With more than half of them not found, packets under a thousand
/// rules took longer than by the trees alone, so the bound is a quarter. Where none was looked up, all
/// are, to see.
#[inline(always)]
fn begin(gauge: &mut FlowGauge, window: u32) {
    let pays = gauge.missed <= gauge.looked_up / 4;
    gauge.is_sampling = u32::from(!pays);
    gauge.left = window;
    gauge.looked_up = 0;
    gauge.missed = 0;
    gauge.windows = gauge.windows.wrapping_add(1);
}

#[inline(always)]
const fn part(number: u32) -> u32 {
    number % PARTS
}
