//! Limits on each source of a class, what stands of each source's bucket, and which sources were refused most.

/// What one source of a class may have on one interface.
///
/// A source is an address or the prefix of that length that an address is in. Written by user space before the policy
/// comes into force.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLimit {
    /// Time that one byte takes at this rate, in 2^-20 ns.
    pub cost_per_byte: u64,
    /// Depth of each source's bucket, as time at this rate, in ns.
    pub burst_ns: u64,
    /// The bits of an IPv6 address that tell sources apart: the upper half, then the lower one.
    pub ipv6_mask: [u64; 2],
    /// Those of an IPv4 address.
    pub ipv4_mask: u32,
    /// Zero.
    pub reserved: u32,
}

/// Different limits in one policy; [`crate::police::ClassRate::source_limit`] is the number of one, plus one.
pub const MAX_SOURCE_LIMITS: u32 = 255;

/// Index of a limit in the table that holds those of the policies side by side.
#[inline(always)]
pub const fn source_limit_index(policy_slot: u32, number: u32) -> u32 {
    policy_slot * (MAX_SOURCE_LIMITS + 1) + number % (MAX_SOURCE_LIMITS + 1)
}

/// Buckets of one [`SourceLine`].
pub const SOURCES_PER_LINE: usize = 8;

/// Sources whose buckets there can be room for.
pub const MAX_SOURCES: u32 = 1 << 24;

/// Buckets of the sources whose hash leads here: one cache line, shared by all CPUs.
///
/// A bucket is one word: in the lowest [`TIME_BITS`] the time up to which its rate is spent, in units of
/// 2^[`TIME_UNIT_BITS`] ns and modulo 2^40, and above it a part of the source's hash. Credit stands in it as far as
/// that time lies in the past. One compare-and-swap changes both.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLine {
    /// In no order; zero: never used.
    pub buckets: [u64; SOURCES_PER_LINE],
}

/// Bits of the time in a bucket's word.
pub const TIME_BITS: u32 = 40;
/// A unit of that time is 256 ns: the times repeat after 78 hours.
pub const TIME_UNIT_BITS: u32 = 8;

/// What one CPU has refused of the sources of one class on one interface, by [`crate::counters::cell_index`]. Counters wrap
/// at 2^64.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceCounters {
    /// Packets of sources that were over their limit.
    pub refused_packets: u64,
    /// Their bytes, Ethernet header included, FCS excluded.
    pub refused_bytes: u64,
    /// Sources whose bucket was not full again when another one took its place.
    pub displaced: u64,
    /// Zero.
    pub reserved: u64,
}

/// A source that was refused.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offender {
    /// The halves of the address ([`crate::Address`]) as numbers, the upper one first; zero beyond the prefix that
    /// tells sources apart.
    pub halves: [u64; 2],
    /// Packets that were refused.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The class and interface ([`crate::limits::cell`]).
    pub cell: u32,
    /// How firmly it holds its place; zero: the place is free.
    pub weight: u32,
    /// The jiffy (`bpf_jiffies64`, its lower half) of the last refusal.
    pub jiffy: u32,
    /// Zero.
    pub reserved: u32,
}

/// Offenders of one [`OffenderSet`].
pub const OFFENDERS_PER_SET: usize = 4;
/// Sets of each CPU.
pub const OFFENDER_SETS: u32 = 256;

/// The sources of one CPU whose hash leads here.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffenderSet {
    /// In no order.
    pub offenders: [Offender; OFFENDERS_PER_SET],
}

/// Index of a set in the map that holds all CPUs.
#[inline(always)]
pub const fn offender_set_index(cpu: u32, hash: u32) -> u32 {
    cpu * OFFENDER_SETS + hash % OFFENDER_SETS
}

const _: () = assert!(size_of::<SourceLimit>() == 40 && align_of::<SourceLimit>() == 8);
const _: () = assert!(size_of::<SourceLine>() == 64 && align_of::<SourceLine>() == 64);
const _: () = assert!(size_of::<SourceCounters>() == 32 && align_of::<SourceCounters>() == 8);
const _: () = assert!(size_of::<Offender>() == 48 && align_of::<Offender>() == 8);
const _: () = assert!(size_of::<OffenderSet>() == 192 && align_of::<OffenderSet>() == 64);
const _: () = assert!(OFFENDER_SETS.is_power_of_two());
