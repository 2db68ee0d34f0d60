//! A packet's values as answers have them, and outcomes in words.

use std::net::{IpAddr, Ipv6Addr};

use stormbolt_common::Address;
use stormbolt_common::classifier::Fragment;
use stormbolt_common::outcome::Outcome;
use stormbolt_control::explain::Packet;
use stormbolt_ebpf::parse::Headers;

use crate::api::explanation::{PacketValues, Place};
use crate::config::words::write_tcp_flags;

/// What rules see of a packet.
pub(super) fn packet_of(headers: &Headers, length: u32, interface: usize) -> Packet {
    Packet {
        source: address(headers.source),
        destination: address(headers.destination),
        source_port: headers.ports.map(|ports| ports.source),
        destination_port: headers.ports.map(|ports| ports.destination),
        protocol: headers.protocol,
        dscp: headers.dscp,
        vlan: headers.vlan,
        tcp_flags: headers.tcp_flags,
        fragment: headers.fragment,
        icmp_type: headers.icmp_type,
        length,
        interface,
    }
}

fn address(address: Address) -> IpAddr {
    Ipv6Addr::from(address).to_canonical()
}

/// The same as answers have it.
pub(super) fn values(packet: &Packet) -> PacketValues {
    PacketValues {
        src: packet.source,
        dst: packet.destination,
        protocol: packet.protocol,
        src_port: packet.source_port,
        dst_port: packet.destination_port,
        dscp: packet.dscp,
        vlan: packet.vlan,
        tcp_flags: packet.tcp_flags.map(write_tcp_flags),
        icmp_type: packet.icmp_type,
        fragment: match packet.fragment {
            Fragment::Whole => Place::No,
            Fragment::First => Place::First,
            Fragment::Later => Place::Later,
        },
        length_bytes: packet.length,
    }
}

/// As policy files write it.
pub(super) const fn place_name(place: Place) -> &'static str {
    match place {
        Place::No => "no",
        Place::First => "first",
        Place::Later => "later",
    }
}

/// What the outcome of a frame that is not classified means.
pub(super) const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotIp => "it is neither IPv4 nor IPv6",
        Outcome::NeighborDiscovery => {
            "it is IPv6 neighbour discovery, without which no host is reachable"
        }
        Outcome::Unconfigured => "the program has no policy for this interface",
        Outcome::MalformedPassed => "it is malformed, and the policy lets malformed packets pass",
        Outcome::Truncated => "a header claims more bytes than the frame has",
        Outcome::BadVersion => "the version in the IP header is not the one of the EtherType",
        Outcome::BadHeaderLength => "a header states a length below its own minimum",
        Outcome::BadTotalLength => {
            "the IP or UDP length contradicts the headers or exceeds the frame"
        }
        Outcome::TooManyExtensionHeaders => {
            "its chain of IPv6 extension headers is longer than is followed"
        }
        Outcome::BadFragment => "it is a fragment that hides its transport header or is too long",
        Outcome::BadAddress => "it is IPv6 with an IPv4-mapped address",
        Outcome::TooManyVlanTags => "it is behind more than two VLAN tags",
        Outcome::RulePassed
        | Outcome::ClassPassed
        | Outcome::ClassSteered
        | Outcome::OverRate
        | Outcome::OverSourceRate
        | Outcome::RuleDropped
        | Outcome::OverRateShadowed
        | Outcome::RuleDropShadowed => "it is classified",
    }
}
