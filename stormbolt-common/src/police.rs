//! What stands per class and interface: the rate, written by the controller, and the shared
//! bucket, written by the XDP program.

/// Fraction bits of a cost per byte and of a lease's credit: both count 2^-20 ns.
///
/// At 400 Gbit/s a byte costs 0.02 ns, which 20 bits hold to 5 parts in 100,000; at 8 kbit/s it
/// costs 1 ms, and 64 KiB of that still fit 64 bits.
pub const COST_FRACTION_BITS: u32 = 20;

/// Rate of one class on one interface, and where its packets are steered.
///
/// Written by user space through a memory map while packets are policed by it: every field is one
/// aligned store, and a packet that sees an old field beside a new one is policed at a rate
/// between the two.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassRate {
    /// Time that one byte takes at this rate, in 2^-20 ns. Zero: unlimited. [`BLOCKED`]: nothing
    /// passes.
    pub cost_per_byte: u64,
    /// Depth of the bucket, as time at this rate, in ns. Zero: it never holds anything. A packet that
    /// costs more than the depth passes when its whole time has gone by.
    pub burst_ns: u64,
    /// Most that a CPU takes out of the bucket at once, as time at this rate, in ns.
    pub lease_ns: u64,
    /// CPU set that the class is steered over, plus one; zero: packets stay where they arrived.
    pub cpu_set: u32,
    /// Zero.
    pub reserved: u32,
}

/// Cost per byte of a class that nothing passes in.
pub const BLOCKED: u64 = u64::MAX;

/// The bucket of one class on one interface, shared by all CPUs.
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
    /// Zero; keeps two buckets off one cache line.
    pub reserved: [u64; 7],
}

const _: () = assert!(size_of::<ClassRate>() == 32 && align_of::<ClassRate>() == 8);
const _: () = assert!(size_of::<SharedBucket>() == 64 && align_of::<SharedBucket>() == 64);
