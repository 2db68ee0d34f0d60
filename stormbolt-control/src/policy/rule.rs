//! Rules and what they match.

use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::set::Set;

/// A rule: packets that meet every given field take its action.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Counts it as if it were dropped, and passes it as [`Self::Pass`] does.
    #[serde(rename = "shadow-drop")]
    ShadowDrop,
}

/// The fields of a rule. `None` accepts everything.
///
/// A packet that does not have a field at all (no ports, untagged, not TCP, not ICMP) is accepted
/// by no rule that looks at it, negated or not, like in nftables and iptables: there, too, a match
/// on ports implies that the packet has some.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleMatch {
    /// Source addresses.
    pub source: Option<Addresses>,
    /// Destination addresses.
    pub destination: Option<Addresses>,
    /// Source ports. Packets without ports (ICMP, later fragments) never match.
    pub source_port: Option<Accepts<Range<u16>>>,
    /// Destination ports, likewise.
    pub destination_port: Option<Accepts<Range<u16>>>,
    /// IP protocol numbers of the transport header.
    pub protocol: Option<Accepts<u8>>,
    /// Differentiated services code points, 0 to 63.
    pub dscp: Option<Accepts<Range<u8>>>,
    /// VLAN identifiers of the outer tag, 0 to 4095. Untagged packets never match.
    pub vlan: Option<Accepts<Range<u16>>>,
    /// TCP flags. Packets that do not carry a TCP header never match.
    pub tcp_flags: Option<TcpFlagsMatch>,
    /// Places in a fragmented datagram.
    pub fragment: Option<Accepts<FragmentMatch>>,
    /// ICMP or ICMPv6 types. Packets that do not carry such a header never match.
    pub icmp_type: Option<Accepts<Range<u8>>>,
    /// Frame lengths in bytes, Ethernet header included, FCS excluded. All lengths from
    /// [`stormbolt_common::classifier::MAX_LENGTH`] up count as that one.
    pub length: Option<Accepts<Range<u16>>>,
    /// Positions of interfaces in [`super::Policy::interfaces`].
    pub interface: Option<Accepts<usize>>,
}

/// The values of a field that a rule accepts: any of those listed, or all but those.
///
/// An empty list accepts nothing, and negated everything that has the field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Accepts<T> {
    /// Whether everything is accepted but what is listed.
    pub negated: bool,
    /// What is listed.
    pub any_of: Vec<T>,
}

impl<T> Accepts<T> {
    /// Accepts what any of the entries does.
    pub const fn any_of(any_of: Vec<T>) -> Self {
        Self {
            negated: false,
            any_of,
        }
    }

    /// Accepts what none of the entries does.
    pub const fn none_of(any_of: Vec<T>) -> Self {
        Self {
            negated: true,
            any_of,
        }
    }
}

/// The addresses that a rule accepts: those in any of the prefixes and sets, or all but those.
///
/// An IPv4 prefix has IPv4 addresses only and an IPv6 prefix IPv6 addresses only, `::/0` too. So
/// all but some IPv4 prefixes includes every IPv6 address, and the other way round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Addresses {
    /// Whether every address is accepted but those in the prefixes and sets.
    pub negated: bool,
    /// Prefixes, host bits zero.
    pub prefixes: Vec<IpNet>,
    /// Positions of sets in [`super::Policy::sets`].
    pub sets: Vec<usize>,
}

impl Addresses {
    /// Accepts the addresses in any of the prefixes.
    pub const fn within(prefixes: Vec<IpNet>) -> Self {
        Self {
            negated: false,
            prefixes,
            sets: Vec::new(),
        }
    }

    /// The prefixes named here and those of the sets, as often as they are named.
    pub fn all_prefixes<'a>(&'a self, sets: &'a [Arc<Set>]) -> impl Iterator<Item = IpNet> + 'a {
        let sets = self.sets.iter().filter_map(|&position| sets.get(position));
        let of_sets = sets.flat_map(|set| set.prefixes.iter());
        self.prefixes.iter().chain(of_sets).copied()
    }
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

/// Matches when `flags & mask == set`, or, negated, when not. FIN is in the lowest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TcpFlagsMatch {
    /// Whether all other combinations of flags are meant.
    pub negated: bool,
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
