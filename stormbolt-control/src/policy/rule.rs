//! Rules and what they match.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A rule: packets that meet every given field take its action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name; rules without one are named by their position, `rule 3`, counted from 1.
    pub name: String,
    /// What it matches.
    pub matches: RuleMatch,
    /// What happens to the packets that it matches.
    pub action: Action,
}

/// What a rule does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Puts it into the class at this position of [`super::Policy::classes`].
    Class(usize),
    /// Passes it untouched and unpoliced.
    Pass,
    /// Drops it.
    Drop,
}

/// The fields of a rule. `None` accepts everything; a list accepts what any of its entries does,
/// so an empty list (an empty set of prefixes) accepts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleMatch {
    /// Source prefixes, host bits zero.
    pub source: Option<Vec<IpNet>>,
    /// Destination prefixes, host bits zero.
    pub destination: Option<Vec<IpNet>>,
    /// Source ports. Packets without ports (ICMP, later fragments) never match.
    pub source_port: Option<Vec<Range<u16>>>,
    /// Destination ports, likewise.
    pub destination_port: Option<Vec<Range<u16>>>,
    /// IP protocol numbers of the transport header.
    pub protocol: Option<Vec<u8>>,
    /// Differentiated services code points, 0 to 63.
    pub dscp: Option<Vec<Range<u8>>>,
    /// VLAN identifiers of the outer tag, 0 to 4095. Untagged packets never match.
    pub vlan: Option<Vec<Range<u16>>>,
    /// TCP flags. Packets that do not carry a TCP header never match.
    pub tcp_flags: Option<TcpFlagsMatch>,
    /// Place in a fragmented datagram.
    pub fragment: Option<FragmentMatch>,
    /// ICMP or ICMPv6 types. Packets that do not carry such a header never match.
    pub icmp_type: Option<Vec<Range<u8>>>,
    /// Frame lengths in bytes, Ethernet header included, FCS excluded. All lengths from
    /// [`stormbolt_common::classifier::MAX_LENGTH`] up count as that one.
    pub length: Option<Vec<Range<u16>>>,
    /// Positions of interfaces in [`super::Policy::interfaces`].
    pub interface: Option<Vec<usize>>,
}

/// An inclusive range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range<T> {
    /// The lowest value in it.
    pub first: T,
    /// The highest value in it.
    pub last: T,
}

impl<T: PartialOrd> Range<T> {
    /// Whether `value` lies in the range.
    pub fn contains(&self, value: &T) -> bool {
        self.first <= *value && *value <= self.last
    }
}

/// Matches when `flags & mask == set`, with FIN in the lowest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TcpFlagsMatch {
    /// The flags that are looked at.
    pub mask: u8,
    /// Those of them that must be set; the others must not.
    pub set: u8,
}

/// Which packets of a datagram match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FragmentMatch {
    /// Datagrams that are not fragmented.
    No,
    /// First fragments.
    First,
    /// All fragments but the first.
    Later,
    /// All fragments.
    Any,
}
