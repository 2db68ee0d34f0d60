//! Indirection from flow hash to CPU.

use crate::limits::{MAX_CPU_SETS, SLOTS_PER_CPU_SET};

/// A slot's entry when its packets stay on the CPU that received them.
pub const STAY: u32 = 0;

/// A slot's entry for `cpu`. Zero is [`STAY`], so that a fresh map steers nothing.
#[inline(always)]
pub const fn entry_for_cpu(cpu: u32) -> u32 {
    cpu + 1
}

/// The CPU of a slot's entry; `None` for [`STAY`].
#[inline(always)]
pub const fn cpu_of_entry(entry: u32) -> Option<u32> {
    entry.checked_sub(1)
}

/// Number of the slot that `hash` falls into among all slots of all CPU sets.
///
/// The upper bits choose, since a multiplicative hash mixes them best.
#[inline(always)]
pub const fn slot(cpu_set: u32, hash: u32) -> u32 {
    (cpu_set % MAX_CPU_SETS) * SLOTS_PER_CPU_SET + (hash >> (32 - SLOTS_PER_CPU_SET.ilog2()))
}
