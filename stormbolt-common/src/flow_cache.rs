//! The flow cache: what the rules said of flows that have been seen.
//!
//! Every CPU has lines of its own. A packet's *key* is all that the rules of the policy look at; a hash
//! of it says in which lines to look (two for IPv4, eight for IPv6), and the whole key is compared. A line
//! holds two IPv4 flows or one IPv6 flow:
//!
//! | half | word | IPv4 | IPv6 |
//! |---|---|---|---|
//! | first | 0 | [addresses](FlowMask::ipv4) | upper half of the source |
//! | | 1 | [ports](FlowMask::ports) | lower half of the source |
//! | | 2 | [the rest](FlowMask::rest) and the verdict | upper half of the destination |
//! | | 3 | state | state |
//! | second | 0 | addresses of the second flow | lower half of the destination |
//! | | 1 | its ports | [ports](FlowMask::ports) |
//! | | 2 | its rest and verdict | [the rest](FlowMask::rest) and the verdict |
//! | | 3 | its state | zero |
//!
//! A *state* has the generation of the policy in its upper half, [`IPV6`] where the line holds an IPv6
//! flow, and below that the number of the rule's counter. No generation is zero, so a zero says that
//! nothing is known. The last words are states either way, so no address is ever taken for one.

use crate::classifier::{MAX_LENGTH, NO_PORT, NOT_ICMP, NOT_TCP, UNTAGGED};
use crate::limits::{MAX_CLASSES, MAX_INTERFACES, MAX_RULES};

/// One cache line of a CPU's flow cache.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowLine {
    /// The words of its halves.
    pub halves: [[u64; 4]; 2],
}

/// Bit of a state: the line holds an IPv6 flow.
pub const IPV6: u64 = 1 << 31;
/// How far a verdict is shifted to the left in its word, above the key.
pub const VERDICT_SHIFT: u32 = 38;

/// The bits of a key that the rules of a policy look at.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowMask {
    /// IPv4 addresses: source in the lower half, destination in the upper one.
    pub ipv4: u64,
    /// Either half of an IPv6 source address.
    pub source: u64,
    /// Either half of an IPv6 destination address.
    pub destination: u64,
    /// From the lowest bit: destination port, source port, 16 bits each; length, 14 bits; interface, 8
    /// bits; ICMP type, 9 bits; whether there are no ports.
    pub ports: u64,
    /// From the lowest bit: protocol, 8 bits; DSCP, 6 bits; VLAN, 13 bits; TCP flags, 9 bits;
    /// fragment, 2 bits.
    pub rest: u64,
    /// Seeds the hash, so that nobody knows which flows share a line. Zero: no flow is remembered.
    pub seed: u64,
    /// Packets after which a CPU asks how many were found: enough to learn as many flows as it has room
    /// for.
    pub window: u64,
}

/// The words of a packet's key but for its addresses, with all that rules could look at. Their bits are those
/// of [`FlowMask::ports`] and [`FlowMask::rest`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowWords {
    /// Ports and more.
    pub ports: u64,
    /// The rest.
    pub rest: u64,
}

/// How well the cache of a CPU does.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowGauge {
    /// Packets that are still to come in this window; at its end it is asked how many were found.
    pub left: u32,
    /// Packets of it that were looked up.
    pub looked_up: u32,
    /// Those of them that were not found.
    pub missed: u32,
    /// 1: few flows are looked up, to see whether it would pay for all; 0: all are.
    pub is_sampling: u32,
    /// Windows so far.
    pub windows: u32,
    /// Zero.
    pub reserved: u32,
}

/// IPv4 flows of a line, which has room for one IPv6 flow.
pub const FLOWS_OF_LINE: u32 = 2;
/// The most flows that a CPU can have.
pub const MAX_FLOWS: u32 = 1 << 20;

const _: () = assert!(size_of::<FlowLine>() == 64);
const _: () = assert!(size_of::<FlowMask>() == 56 && size_of::<FlowWords>() == 16);
const _: () = assert!(size_of::<FlowGauge>() == 24);
// What the key has room for; the widths are `FlowMask`'s.
const _: () = assert!(MAX_LENGTH < 1 << 14 && UNTAGGED < 1 << 13);
const _: () = assert!(NOT_TCP < 1 << 9 && NOT_ICMP < 1 << 9 && NO_PORT == 1 << 16);
const _: () = assert!(8 + 6 + 13 + 9 + 2 == VERDICT_SHIFT);
const _: () = assert!(MAX_RULES <= 1 << 31 && MAX_CLASSES < 1 << 25 && MAX_INTERFACES <= 256);

/// Index of a line of a CPU, the lowest bits of `line`, where `mask` is the number of lines of each CPU,
/// a power of two, less one.
#[inline(always)]
pub const fn flow_line_index(cpu: u32, line: u32, mask: u32) -> u32 {
    cpu.wrapping_mul(mask.wrapping_add(1))
        .wrapping_add(line & mask)
}
