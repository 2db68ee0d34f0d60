//! The compiled rules: decision trees over the packet's header values, in one array of words.
//!
//! A policy's rules become a few trees per address family, and its large sets one tree per family. A
//! tree is walked along [`Edge`]s. A *cut* splits what is left by some bits of one header value, or
//! at up to four of its values; a *leaf* has the few rules that are left, as [conditions](conditions)
//! in order of priority. An edge carries the description of the cut that it leads to, so a step costs
//! one read of memory. `docs/decisions/0006-decision-trees.md` has what else was measured.
//!
//! Words are 64 bits wide in the byte order of the machine. They are written by user space before any
//! edge leads to them, and never change while one does.

use crate::flow_cache::{FlowGauge, FlowWords};
use crate::sample::SampleGauge;

/// Words of a block, the unit in which the array of words is looked up.
pub const BLOCK_WORDS: usize = 8;

/// Eight words: one cache line.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Block {
    /// The words.
    pub words: [u64; BLOCK_WORDS],
}

const _: () = assert!(size_of::<Block>() == 64 && align_of::<Block>() == 8);

/// Blocks of the tables as the object says it; the loader puts the real number, a power of two, in its
/// place. The tables are one value of one map, so that reading a word of them is one instruction and
/// no lookup, and the size of a value is part of a map's type. No other number in the object is this.
pub const BLOCKS_PLACEHOLDER: u32 = 0x0053_b017;
/// The most blocks: the verifier takes offsets into a value below 512 MiB.
pub const MAX_BLOCKS: u32 = 1 << 23;

/// Header values that cuts look at, by their place in [`lane`].
pub const LANES: usize = 20;

/// One packet's header values. There is room for every lane number that fits an edge.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lanes {
    /// The values by lane; the last ones mean nothing.
    pub values: [u32; 32],
    /// Most of them again, in the two words that its flow is known by.
    pub flow: FlowWords,
    /// What outlasts the packet: how well this CPU's flow cache does,
    pub flows: FlowGauge,
    /// and which packets it has shown to user space.
    pub samples: SampleGauge,
}

const _: () = assert!(size_of::<Lanes>() == 192 && LANES <= 32);

/// The places of the header values. Addresses are eight words of 32 bits, the highest first; an IPv4
/// address stands in the last of its four words.
pub mod lane {
    /// First word of the source address.
    pub const SOURCE: u32 = 0;
    /// First word of the destination address.
    pub const DESTINATION: u32 = 4;
    /// The words of an address.
    pub const ADDRESS_WORDS: u32 = 4;
    /// Source port; 65,535 for packets without ports.
    pub const SOURCE_PORT: u32 = 8;
    /// Destination port, likewise.
    pub const DESTINATION_PORT: u32 = 9;
    /// IP protocol number of the transport header.
    pub const PROTOCOL: u32 = 10;
    /// Number of the class of sets that the source address is in.
    pub const SOURCE_SETS: u32 = 11;
    /// Number of the class of sets that the destination address is in.
    pub const DESTINATION_SETS: u32 = 12;
    /// Differentiated services code point (RFC 2474).
    pub const DSCP: u32 = 13;
    /// VLAN identifier of the outer tag; [`super::UNTAGGED`] without one.
    pub const VLAN: u32 = 14;
    /// TCP flags, FIN in the lowest bit (RFC 9293 section 3.1); [`super::NOT_TCP`] for others.
    pub const TCP_FLAGS: u32 = 15;
    /// [`super::Fragment`].
    pub const FRAGMENT: u32 = 16;
    /// ICMP or `ICMPv6` type; [`super::NOT_ICMP`] for other protocols.
    pub const ICMP_TYPE: u32 = 17;
    /// Frame length in bytes, FCS excluded; everything from [`super::MAX_LENGTH`] up is one value.
    pub const LENGTH: u32 = 18;
    /// Index of the interface that the packet arrived on.
    pub const INTERFACE: u32 = 19;
    /// One for packets without ports, else zero. No cut looks at it nor at what follows.
    pub const NO_PORTS: u32 = 20;
    /// Length of the frame in bytes, FCS excluded.
    pub const FRAME_BYTES: u32 = 21;
    /// Generation of the policy that was in force when the packet came.
    pub const GENERATION: u32 = 22;
    /// The first rule that matches: its [`crate::policy::RuleEntry::verdict`], or
    /// [`super::NO_RULE`] or [`super::BROKEN`].
    pub const VERDICT: u32 = 23;
    /// Its [`crate::policy::RuleEntry::counter`].
    pub const COUNTER: u32 = 24;
    /// Where in a line of the flow cache the rule is to be remembered; zero: nowhere.
    pub const FLOW_PLACE: u32 = 25;
    /// In which line.
    pub const FLOW_LINE: u32 = 26;
    /// Where the IP header begins in the frame, in the lower half; where the transport header does, in the
    /// upper one.
    pub const OFFSETS: u32 = 27;
    /// Which rates were in force when the packet came ([`crate::policy::InForce::epoch`]).
    pub const EPOCH: u32 = 28;
    /// What is to be done with the packet beside its verdict, and what became of it ([`crate::sample::Taken`]); zero, mostly:
    /// nothing.
    pub const SAMPLE: u32 = 29;
    /// The class of a packet that this CPU's lease does not simply pay for.
    pub const CLASS: u32 = 30;
}

/// In [`lane::VERDICT`]: no rule matches.
pub const NO_RULE: u32 = u32::MAX - 2;
/// In [`lane::VERDICT`]: the trees lead outside of the tables, which only a half-written policy could
/// cause.
pub const BROKEN: u32 = u32::MAX - 3;

/// Port value of a packet without ports, which no port range contains.
pub const NO_PORT: u32 = 65_536;
/// VLAN value of an untagged packet, which no VLAN range contains.
pub const UNTAGGED: u32 = 4096;
/// TCP flags value of a packet that is not TCP or does not carry the TCP header.
pub const NOT_TCP: u32 = 256;
/// ICMP type value of a packet that is not ICMP or does not carry the ICMP header.
pub const NOT_ICMP: u32 = 256;
/// The largest frame length that is told apart.
pub const MAX_LENGTH: u32 = 16_383;

/// Where in a fragmented datagram a packet stands.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// Not fragmented.
    #[default]
    Whole = 0,
    /// The first fragment, which carries the transport header.
    First,
    /// Any later fragment, which does not.
    Later,
}

/// Trees of rules per address family. Rules are parted by which of their addresses is specific, or
/// those that leave the cut address open would have to stand in every leaf.
pub const TREES: usize = 4;
/// Cuts on the way from a root to a leaf.
pub const MAX_CUTS: u32 = 24;
/// Conditions in a leaf, extensions included.
pub const MAX_LEAF: u32 = 32;
/// Values at which one [`Kind::Range`] cut splits.
pub const RANGE_BOUNDS: usize = 4;
/// Words of a [`Kind::Range`] cut: the bounds, then an edge per part.
pub const RANGE_WORDS: u32 = 6;
/// Words of a [`Kind::Choice`] cut: a bit per value, then two edges.
pub const CHOICE_WORDS: u32 = 6;
/// Values of a [`Kind::Choice`] cut, as a power of two.
pub const CHOICE_BITS: u32 = 8;

/// What an edge leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing: no rule matches, or the address is in no set.
    Nothing,
    /// An array of edges, indexed by some bits of a header value.
    Bits,
    /// Four bounds of 16 bits in one word, the lowest in the lowest bits, then five edges: to the
    /// values up to the first bound, up to the second, …, and above the last.
    Range,
    /// 256 bits in four words, indexed by eight bits of a header value, then the edge for a zero and
    /// the edge for a one.
    Choice,
    /// Conditions of rules.
    Leaf,
    /// A number: what a tree of sets is asked for.
    Value,
}

/// A step of a tree: what comes next, where it stands, and which header value decides there.
///
/// Bits 0 to 31: index of the first word ([`Kind::Value`]: the number). Bits 61 to 63: the
/// [`Kind`]. Cuts: bits 32 to 36 the lane, 37 to 41 how far its value is shifted to the right, 42 to
/// 46 how many bits are left of it. Leaves: bits 32 to 39 the number of conditions, 40 to 55 the
/// upper 16 bits of the first one's priority.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Edge(pub u64);

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "fields of a word, shifted and masked to their size; `From` is not const"
)]
impl Edge {
    /// The edge to nothing.
    pub const NOTHING: Self = Self(0);

    /// An edge to an array of `2^width` edges.
    pub const fn bits(base: u32, lane: u32, shift: u32, width: u32) -> Self {
        Self::cut(1, base, lane, shift, width)
    }

    /// An edge to bounds on the lowest 16 bits of the shifted value.
    pub const fn range(base: u32, lane: u32, shift: u32) -> Self {
        Self::cut(2, base, lane, shift, 16)
    }

    /// An edge to a choice by the lowest eight bits of the shifted value.
    pub const fn choice(base: u32, lane: u32, shift: u32) -> Self {
        Self::cut(3, base, lane, shift, CHOICE_BITS)
    }

    const fn cut(kind: u64, base: u32, lane: u32, shift: u32, width: u32) -> Self {
        Self(
            kind << 61
                | ((width & 31) as u64) << 42
                | ((shift & 31) as u64) << 37
                | ((lane & 31) as u64) << 32
                | base as u64,
        )
    }

    /// An edge to `count` conditions; the first one's priority is `priority`.
    pub const fn leaf(base: u32, count: u32, priority: u32) -> Self {
        Self(4 << 61 | ((priority >> 16) as u64) << 40 | ((count & 255) as u64) << 32 | base as u64)
    }

    /// An edge to a number.
    pub const fn value(number: u32) -> Self {
        Self(5 << 61 | number as u64)
    }

    /// What it leads to.
    #[inline(always)]
    pub const fn kind(self) -> Kind {
        match self.0 >> 61 {
            1 => Kind::Bits,
            2 => Kind::Range,
            3 => Kind::Choice,
            4 => Kind::Leaf,
            5 => Kind::Value,
            _ => Kind::Nothing,
        }
    }

    /// Index of the first word, or the number.
    #[inline(always)]
    pub const fn base(self) -> u32 {
        self.0 as u32
    }

    /// The lane that decides.
    #[inline(always)]
    pub const fn lane(self) -> u32 {
        (self.0 >> 32) as u32 & 31
    }

    /// How far the lane's value is shifted to the right.
    #[inline(always)]
    pub const fn shift(self) -> u32 {
        (self.0 >> 37) as u32 & 31
    }

    /// Bits that are left of the shifted value.
    #[inline(always)]
    pub const fn width(self) -> u32 {
        (self.0 >> 42) as u32 & 31
    }

    /// Number of conditions in the leaf.
    #[inline(always)]
    pub const fn count(self) -> u32 {
        (self.0 >> 32) as u32 & 255
    }

    /// The upper 16 bits of the priority of the leaf's first condition.
    #[inline(always)]
    pub const fn priority_high(self) -> u32 {
        (self.0 >> 40) as u32 & 0xffff
    }
}

/// What a condition of a leaf consists of.
///
/// IPv4 conditions have four words, IPv6 conditions eight:
///
/// | IPv4 | IPv6 | |
/// |---|---|---|
/// | 0 | 0 to 3 | addresses: IPv4 source in the lower half, destination in the upper one; IPv6 the source's upper and lower half, then the destination's |
/// | 1 | 4 | ports, 16 bits each from the lowest: first and last source port, first and last destination port |
/// | 2 | 5 | 8 bits each: bits that do not count at the end of the source (IPv4, 6 bits), of the destination (likewise), protocol, the bits of it that count; [flags](conditions::flag) in the places that are left; upper half: priority, 0 is served first |
/// | 3 | 6 | lower half: verdict as in [`crate::policy`]; upper half: number of the rule's counter |
/// | | 7 | 8 bits each: bits that do not count at the end of the source's upper half, of its lower half, of the destination's |
///
/// With [`conditions::flag::EXTENDED`] the next place holds more conditions of the same rule in its
/// first four words, all of which must hold:
///
/// | word | |
/// |---|---|
/// | 0 | 16 bits each: first and last class of sets of the source, of the destination |
/// | 1 | 16 bits each: first and last VLAN, first and last length |
/// | 2 | 8 bits each: first and last DSCP, first and last interface, TCP flags mask and value, first and last ICMP type |
/// | 3 | lowest 3 bits: [`Fragment`]s accepted, bit 3: VLAN values count, 4: ICMP types count, 5: TCP flags must be as given, 6: they must not; from bit 8, 8 bits each: first and last protocol |
pub mod conditions {
    /// Words of an IPv4 condition.
    pub const IPV4_WORDS: u32 = 4;
    /// Words of an IPv6 condition.
    pub const IPV6_WORDS: u32 = 8;

    /// Flags of a condition, within the word that has them.
    pub mod flag {
        /// Bit of [`PORTS`].
        pub const PORTS_BIT: u32 = 6;
        /// The packet must have ports. Without this flag every port is in the ranges, and none will do.
        pub const PORTS: u64 = 1 << PORTS_BIT;
        /// The next place extends this condition.
        pub const EXTENDED: u64 = 1 << 7;
    }

    /// Bits of an extension's last word.
    pub mod extension {
        /// The VLAN must lie in its range.
        pub const VLAN: u64 = 8;
        /// The ICMP type must lie in its range.
        pub const ICMP_TYPE: u64 = 16;
        /// The packet must have TCP flags, and they must be as given.
        pub const TCP_FLAGS: u64 = 32;
        /// The packet must have TCP flags, and they must not be as given.
        pub const NOT_TCP_FLAGS: u64 = 64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_keeps_what_it_is_made_of() {
        let cut = Edge::bits(u32::MAX, 19, 31, 20);
        assert_eq!(
            (cut.kind(), cut.base(), cut.lane(), cut.shift(), cut.width()),
            (Kind::Bits, u32::MAX, 19, 31, 20)
        );
        assert_eq!(Edge::range(7, 9, 0).kind(), Kind::Range);
        assert_eq!(Edge::choice(7, 3, 8).shift(), 8);
        let leaf = Edge::leaf(9, 64, 0xabcd_1234);
        assert_eq!(
            (leaf.kind(), leaf.base(), leaf.count(), leaf.priority_high()),
            (Kind::Leaf, 9, 64, 0xabcd)
        );
        assert_eq!(Edge::value(5).kind(), Kind::Value);
        assert_eq!(Edge::NOTHING.kind(), Kind::Nothing);
    }
}
