//! Adds a packet to the counters of its class.

use stormbolt_common::counters::{ClassCell, Refusals};

/// Counts a packet that was within its class's rate.
#[inline(always)]
pub fn count_passed(cell: &mut ClassCell, bytes: u64) {
    cell.passed_packets = cell.passed_packets.wrapping_add(1);
    cell.passed_bytes = cell.passed_bytes.wrapping_add(bytes);
}

/// Counts a packet that was not.
#[inline(always)]
pub fn count_dropped(refusals: &mut Refusals, bytes: u64) {
    refusals.dropped_packets = refusals.dropped_packets.wrapping_add(1);
    refusals.dropped_bytes = refusals.dropped_bytes.wrapping_add(bytes);
}
