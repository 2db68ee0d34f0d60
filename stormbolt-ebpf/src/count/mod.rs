//! Adds a packet to the counters of its class.

use stormbolt_common::counters::ClassCell;

/// Counts a packet that was within its class's rate, or was not.
#[inline(always)]
pub fn count(cell: &mut ClassCell, passed: bool, bytes: u64) {
    if passed {
        cell.passed_packets = cell.passed_packets.wrapping_add(1);
        cell.passed_bytes = cell.passed_bytes.wrapping_add(bytes);
    } else {
        cell.dropped_packets = cell.dropped_packets.wrapping_add(1);
        cell.dropped_bytes = cell.dropped_bytes.wrapping_add(bytes);
    }
}
