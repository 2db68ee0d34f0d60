//! What stands per class and interface: the rate, written by the controller, and the shared
//! buckets, written by the XDP program.
//!
//! A packet is paid for out of its class's bucket, or else out of the bucket of its interface, which
//! holds what the interface's capacity has left beside all that has passed: the class *borrows* it.

/// Fraction bits of a cost per byte, which counts 2^-20 ns.
///
/// At 400 Gbit/s a byte costs 0.02 ns, which 20 bits hold to 5 parts in 100,000; at 8 kbit/s it
/// costs 1 ms, and 64 KiB of that still fit 64 bits.
pub const COST_FRACTION_BITS: u32 = 20;

/// Fraction bits of a lease's credit and of the least that a packet counts: sixteenths of bytes.
///
/// A lease is kept in bytes, not in time, so that a packet that it pays for needs no multiplication; what it is
/// worth after a change of rate is for the policer to see to.
pub const CREDIT_FRACTION_BITS: u32 = 4;

/// The most that a packet can be made to count for: more than any frame has, 64 KiB.
///
/// A class whose limit on packets would take more has its rate written as that of packets which are so long:
/// its frames are all shorter, so the number of packets alone counts.
pub const MOST_OF_A_PACKET: u32 = 1 << (16 + CREDIT_FRACTION_BITS);

/// A full Ethernet frame on the wire, in bytes: 1,500, header, VLAN tag, FCS, preamble and gap.
pub const FULL_FRAME_BYTES: u64 = 1_538;

/// Rate of one class on one interface, and where its packets are steered.
///
/// Written by user space through a memory map while packets are policed by it: every field is one
/// aligned store, and a packet that sees an old field beside a new one is policed at a rate
/// between the two, or counts for more or less than it should where the class has a limit on packets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassRate {
    /// Time that one byte takes at this rate, in 2^-20 ns. Zero: unlimited. [`BLOCKED`]: nothing
    /// passes.
    pub cost_per_byte: u64,
    /// Depth of the bucket, as time at this rate, in ns. Zero: it never holds anything. A packet that
    /// costs more than the depth passes when its whole time has gone by. A bucket that two full frames
    /// ([`FULL_FRAME_BYTES`]) do not fit may owe one.
    pub burst_ns: u64,
    /// Most that a CPU takes out of the bucket at once, as time at this rate, in ns.
    pub lease_ns: u32,
    /// Most that a CPU borrows at once, as time at the interface's capacity, in ns.
    pub loan_ns: u32,
    /// CPU set that the class is steered over, plus one; zero: packets stay where they arrived.
    pub cpu_set: u8,
    /// Bits [`MARK_CONGESTION`], [`REWRITE_DSCP`] and [`SHADOW`].
    pub treatment: u8,
    /// The code point that packets leave with, where [`REWRITE_DSCP`] says so (RFC 2474).
    pub dscp: u8,
    /// Bytes that each packet is counted longer by than its frame, or shorter.
    pub overhead: i8,
    /// Number of what each source may have ([`crate::source::SourceLimit`]), plus one; zero: no source is held to
    /// anything.
    pub source_limit: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Time that one byte takes at the class's ceil, in 2^-20 ns: what it passes altogether, borrowed
    /// or not, stays within that. Zero: no ceil but the interface's capacity.
    pub ceil_cost_per_byte: u64,
    /// What a class that borrows leaves in the interface's bucket, as time at the interface's
    /// capacity, in ns: the lower its priority, the more. [`NO_BORROWING`]: it does not borrow.
    pub reserve_ns: u64,
    /// [`Self::cost_per_byte`] for the time that the controller is silent. Zero: unlimited.
    pub failsafe_cost_per_byte: u64,
    /// How far ahead of its rate the class passes TCP segments that come again because it dropped them,
    /// in µs. Zero: not at all.
    pub ahead_us: u32,
    /// Least that a packet counts, in bytes of 2^-[`CREDIT_FRACTION_BITS`], up to [`MOST_OF_A_PACKET`].
    pub least: u32,
}

impl ClassRate {
    /// A rate that holds nothing back.
    pub const UNLIMITED: Self = Self {
        cost_per_byte: 0,
        burst_ns: 0,
        lease_ns: 0,
        loan_ns: 0,
        cpu_set: 0,
        treatment: 0,
        dscp: 0,
        overhead: 0,
        source_limit: 0,
        reserved: [0; 3],
        ceil_cost_per_byte: 0,
        reserve_ns: 0,
        failsafe_cost_per_byte: 0,
        ahead_us: 0,
        least: 0,
    };
}

/// For how much a packet counts whose class is held to a rate, and what becomes of it when it is paid for: the part of a
/// [`ClassRate`] that every packet needs. Each CPU has a copy of its own beside its lease.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// [`ClassRate::least`].
    pub least: u32,
    /// [`ClassRate::cpu_set`].
    pub cpu_set: u8,
    /// [`ClassRate::treatment`], and [`PER_SOURCE`] and [`UNLIMITED`].
    pub treatment: u8,
    /// [`ClassRate::dscp`].
    pub dscp: u8,
    /// [`ClassRate::overhead`].
    pub overhead: i8,
}

impl ClassRate {
    /// The terms of the rate.
    #[inline(always)]
    pub const fn terms(&self) -> Terms {
        let per_source = if self.source_limit == 0 {
            0
        } else {
            PER_SOURCE
        };
        let unlimited = if self.cost_per_byte == 0 {
            UNLIMITED
        } else {
            0
        };
        Terms {
            least: self.least,
            cpu_set: self.cpu_set,
            treatment: self.treatment | per_source | unlimited,
            dscp: self.dscp,
            overhead: self.overhead,
        }
    }
}

/// Bit of [`ClassRate::treatment`]: packets that could be dropped are marked instead, where their senders
/// understand that (RFC 3168).
pub const MARK_CONGESTION: u8 = 1;
/// Bit of [`ClassRate::treatment`]: packets get another code point.
pub const REWRITE_DSCP: u8 = 2;
/// Bit of [`ClassRate::treatment`]: packets over the rate are counted as dropped, and pass.
pub const SHADOW: u8 = 4;
/// Bit of [`Terms::treatment`]: each source is held to something ([`ClassRate::source_limit`]).
pub const PER_SOURCE: u8 = 8;
/// Bit of [`Terms::treatment`]: no packet has to be paid for ([`ClassRate::cost_per_byte`]).
pub const UNLIMITED: u8 = 16;

/// In [`ClassRate::reserve_ns`]: the class passes what its own bucket pays for and no more.
pub const NO_BORROWING: u64 = u64::MAX;

/// What an interface can carry.
///
/// Written and read as [`ClassRate`] is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceRate {
    /// Time that one byte takes at the interface's capacity, in 2^-20 ns. Zero: it lends nothing.
    pub cost_per_byte: u64,
    /// Depth of the interface's bucket, as time at its capacity, in ns.
    pub burst_ns: u64,
    /// The most that it owes, in ns: the longest burst of a class, so that what passes in bursts is not lent
    /// to others as well. The ceils of its classes owe as much at most.
    pub debt_ns: u64,
}

impl InterfaceRate {
    /// A capacity that nothing is lent of.
    pub const LENDS_NOTHING: Self = Self {
        cost_per_byte: 0,
        burst_ns: 0,
        debt_ns: 0,
    };
}

/// Cost per byte of a class that nothing passes in.
pub const BLOCKED: u64 = u64::MAX;

/// The bucket of one class on one interface, or of an interface, shared by all CPUs.
///
/// A virtual clock instead of a token count (the generic cell rate algorithm, ITU-T I.371): one
/// word that is advanced by compare-and-swap, right under any change of rate, with nothing to
/// refill.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedBucket {
    /// The time (`bpf_ktime_get_ns`) up to which the rate is spent, in ns. Tokens stand in the
    /// bucket as far as it lies in the past.
    pub spent_until_ns: u64,
    /// Of a class: the time up to which its ceil is spent, in ns.
    pub ceil_spent_until_ns: u64,
    /// Of a class: the time up to which half of its rate is spent by what passes while the class owes for what has
    /// passed ahead of its rate, in ns.
    pub beside_spent_until_ns: u64,
    /// Zero; keeps two buckets off one cache line.
    pub reserved: [u64; 5],
}

const _: () = assert!(size_of::<ClassRate>() == 64 && align_of::<ClassRate>() == 8);
const _: () = assert!(size_of::<Terms>() == 8 && align_of::<Terms>() == 4);
const _: () = assert!(size_of::<InterfaceRate>() == 24 && align_of::<InterfaceRate>() == 8);
const _: () = assert!(size_of::<SharedBucket>() == 64 && align_of::<SharedBucket>() == 64);
