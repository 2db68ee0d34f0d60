//! Counters that the XDP program writes, one copy per CPU, and user space adds up.
//!
//! The maps are plain memory-mapped arrays laid out CPU by CPU (`cpu * entries + index`), so that a
//! reader sees everything without a system call and a writer never shares a cache line.

use crate::limits::{CellLayout, MAX_INTERFACES, MAX_RULES, MAX_SLOTS};
use crate::outcome::{OUTCOME_SLOTS, Outcome};
use crate::police::Terms;

/// What one CPU knows and has passed of one class on one interface.
///
/// Written without locks by that CPU only. The counters only grow, wrapping at 2^64, and outlive
/// changes of policy. Lease and terms are the policer's (see [`crate::police`]) and lie here so that a
/// packet that the lease pays for touches a single cache line per class, and a single page; what only
/// refused packets need lies apart ([`Refusals`]), so that a hundred thousand classes take few of both.
#[repr(C, align(32))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCell {
    /// Packets within the class's rate.
    pub passed_packets: u64,
    /// Bytes within the class's rate, Ethernet header included, FCS excluded.
    pub passed_bytes: u64,
    /// What is left of this CPU's lease.
    pub lease: Lease,
    /// For how much a packet counts, and what becomes of one that is paid for.
    pub terms: Terms,
}

/// Tokens that one CPU has taken out of a class's bucket, or borrowed from the interface's, and not spent yet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// What it still pays for, in bytes of 2^-[`crate::police::CREDIT_FRACTION_BITS`]: up to 256 MiB, five
    /// times what passes in the longest lease at 400 Gbit/s.
    pub credit: u32,
    /// Which rates the cell's terms are a copy of ([`crate::policy::Active::in_force`]). Zero: none yet.
    pub epoch: u32,
}

/// What a CPU knows of packets of one class that it refused: of no interest to packets that the lease pays for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// The jiffy (`bpf_jiffies64`, its lower half) of the last look at the clock that found the bucket
    /// empty.
    pub jiffy: u32,
    /// How many more packets of that jiffy are refused without another look at the clock.
    pub left: u16,
    /// The same of packets that find nothing beside what passes ahead of the rate.
    pub left_beside: u8,
    /// Not zero: the class owed something for what passed ahead of its rate at that look.
    pub owes: u8,
    /// Packets dropped because the class was out of tokens, wrapping at 2^64.
    pub dropped_packets: u64,
    /// Bytes dropped because the class was out of tokens, counted as [`ClassCell::passed_bytes`].
    pub dropped_bytes: u64,
}

/// Packets of one class that one CPU has let pass ahead of its rate or beside such packets, wrapping at 2^64.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AheadCounter {
    /// All of them.
    pub packets: u64,
    /// Those that were marked (RFC 3168).
    pub marked_packets: u64,
}

/// Packets and bytes that a rule matched on one CPU, or that ended in one outcome on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounter {
    /// Packets, wrapping at 2^64.
    pub packets: u64,
    /// Bytes, Ethernet header included, FCS excluded, wrapping at 2^64.
    pub bytes: u64,
}

const _: () = assert!(size_of::<ClassCell>() == 32 && align_of::<ClassCell>() == 32);
const _: () = assert!(size_of::<Lease>() == 8 && align_of::<Lease>() == 4);
const _: () = assert!(size_of::<AheadCounter>() == 16 && align_of::<AheadCounter>() == 8);
const _: () = assert!(size_of::<Refusals>() == 24 && align_of::<Refusals>() == 8);
const _: () = assert!(size_of::<PacketCounter>() == 16 && align_of::<PacketCounter>() == 8);

/// Outcome counters of one CPU.
pub const OUTCOMES_PER_CPU: u32 = MAX_INTERFACES * OUTCOME_SLOTS;

/// Index of a class cell, and of what else each CPU has of a cell, in the map that holds all CPUs.
#[inline(always)]
pub const fn cell_index(layout: CellLayout, cpu: u32, cell: u32) -> u32 {
    cpu * layout.cells() + layout.index(cell)
}

/// Index of a rule's counter in the map that holds all CPUs.
#[inline(always)]
pub const fn rule_index(cpu: u32, rule: u32) -> u32 {
    cpu * MAX_RULES + rule % MAX_RULES
}

/// Index of an outcome's counter in the map that holds all CPUs.
#[inline(always)]
pub const fn outcome_index(cpu: u32, interface: u32, outcome: Outcome) -> u32 {
    cpu * OUTCOMES_PER_CPU + (interface % MAX_INTERFACES) * OUTCOME_SLOTS + outcome.index()
}

/// Index of a slot's packet count (`u64`) in the map that holds all CPUs.
#[inline(always)]
pub const fn slot_index(cpu: u32, slot: u32) -> u32 {
    cpu * MAX_SLOTS + slot % MAX_SLOTS
}
