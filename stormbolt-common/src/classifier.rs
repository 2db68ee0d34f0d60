//! The compiled rules: bit vectors per field value (Lakshman and Stiliadis, SIGCOMM 1998).
//!
//! Every value of every header field leads to a bitmap with one bit per rule, set where the rule
//! accepts that value. The conjunction of a packet's bitmaps has the matching rules, and its
//! lowest set bit is the first of them. Small fields are looked up directly, addresses by longest
//! prefix; a bitmap of a prefix includes the rules of all shorter prefixes around it.

use crate::limits::MAX_RULES;

/// Words of a rule bitmap.
pub const BITMAP_WORDS: usize = 16;

/// One bit per rule, rule 0 in the lowest bit of word 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RuleBitmap {
    /// 64 rules a word.
    pub words: [u64; BITMAP_WORDS],
}

/// Bitmap 0 accepts everything: it stands for fields that no rule looks at.
pub const MATCH_ALL: u32 = 0;

/// The header fields that rules look at.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Source address, by longest prefix.
    Source = 0,
    /// Destination address, by longest prefix.
    Destination,
    /// Source port; [`NO_PORT`] for packets without ports.
    SourcePort,
    /// Destination port; [`NO_PORT`] for packets without ports.
    DestinationPort,
    /// IP protocol number of the transport header.
    Protocol,
    /// Differentiated services code point (RFC 2474).
    Dscp,
    /// VLAN identifier of the outer tag; [`UNTAGGED`] without one.
    Vlan,
    /// TCP flags, FIN in the lowest bit (RFC 9293 section 3.1); [`NOT_TCP`] for other protocols.
    TcpFlags,
    /// [`Fragment`].
    Fragment,
    /// ICMP or ICMPv6 type; [`NOT_ICMP`] for other protocols.
    IcmpType,
    /// Frame length in bytes, FCS excluded; everything from [`MAX_LENGTH`] up is one value.
    Length,
    /// Index of the interface the packet arrived on.
    Interface,
}

/// Number of fields.
pub const FIELDS: usize = 12;

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

impl Field {
    /// All fields, in bit order of [`crate::policy::PolicyHeader::used_fields`].
    pub const ALL: [Self; FIELDS] = [
        Self::Source,
        Self::Destination,
        Self::SourcePort,
        Self::DestinationPort,
        Self::Protocol,
        Self::Dscp,
        Self::Vlan,
        Self::TcpFlags,
        Self::Fragment,
        Self::IcmpType,
        Self::Length,
        Self::Interface,
    ];

    /// The field's bit in [`crate::policy::PolicyHeader::used_fields`].
    #[inline(always)]
    #[expect(clippy::as_conversions, reason = "the discriminant is the bit number")]
    pub const fn bit(self) -> u32 {
        1 << (self as u32)
    }

    /// Values that the field's direct table distinguishes; zero for prefixes.
    pub const fn values(self) -> u32 {
        match self {
            Self::Source | Self::Destination => 0,
            Self::SourcePort | Self::DestinationPort => NO_PORT + 1,
            Self::Protocol => 256,
            Self::Dscp => 64,
            Self::Vlan => UNTAGGED + 1,
            Self::TcpFlags => NOT_TCP + 1,
            Self::Fragment => 3,
            Self::IcmpType => NOT_ICMP + 1,
            Self::Length => MAX_LENGTH + 1,
            Self::Interface => crate::limits::MAX_INTERFACES,
        }
    }

    /// Where the field's direct table begins in the one array that holds them all.
    pub const fn base(self) -> u32 {
        match self {
            Self::Source | Self::Destination | Self::SourcePort => 0,
            Self::DestinationPort => Self::SourcePort.base() + Self::SourcePort.values(),
            Self::Protocol => Self::DestinationPort.base() + Self::DestinationPort.values(),
            Self::Dscp => Self::Protocol.base() + Self::Protocol.values(),
            Self::Vlan => Self::Dscp.base() + Self::Dscp.values(),
            Self::TcpFlags => Self::Vlan.base() + Self::Vlan.values(),
            Self::Fragment => Self::TcpFlags.base() + Self::TcpFlags.values(),
            Self::IcmpType => Self::Fragment.base() + Self::Fragment.values(),
            Self::Length => Self::IcmpType.base() + Self::IcmpType.values(),
            Self::Interface => Self::Length.base() + Self::Length.values(),
        }
    }
}

/// Entries of the array that holds all direct tables; each is the number of a bitmap.
pub const DIRECT_ENTRIES: u32 = Field::Interface.base() + Field::Interface.values();

const _: () = assert!(size_of::<RuleBitmap>() * 8 == 1024 && MAX_RULES == 1024);
const _: () = assert!(size_of::<RuleBitmap>() == 128 && align_of::<RuleBitmap>() == 8);
