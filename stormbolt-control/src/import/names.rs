//! Names that the tools write for numbers.

/// Names of IP protocols as in `/etc/protocols`, which iptables and nft print.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ipv6-crypt", 50),
    ("ah", 51),
    ("ipv6-auth", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("pim", 103),
    ("comp", 108),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("mobility-header", 135),
    ("ipv6-mh", 135),
    ("udplite", 136),
];

/// Names of code points.
const DSCP: &[(&str, u8)] = &[
    ("cs0", 0),
    ("be", 0),
    ("df", 0),
    ("le", 1),
    ("lephb", 1),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("va", 44),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
];

const ICMP_TYPES: &[(&str, u8)] = &[
    ("echo-reply", 0),
    ("pong", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("ping", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("ttl-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];

const ICMPV6_TYPES: &[(&str, u8)] = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("ttl-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("ping", 128),
    ("echo-reply", 129),
    ("pong", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("mld-listener-reduction", 132),
    ("router-solicitation", 133),
    ("nd-router-solicit", 133),
    ("router-advertisement", 134),
    ("nd-router-advert", 134),
    ("neighbor-solicitation", 135),
    ("neighbour-solicitation", 135),
    ("nd-neighbor-solicit", 135),
    ("neighbor-advertisement", 136),
    ("neighbour-advertisement", 136),
    ("nd-neighbor-advert", 136),
    ("redirect", 137),
    ("nd-redirect", 137),
    ("router-renumbering", 138),
    ("ind-neighbor-solicit", 141),
    ("ind-neighbor-advert", 142),
    ("mld2-listener-report", 143),
];

/// Names of TCP flags with their bits; iptables writes them in capitals, nft calls ECE `ecn`.
const TCP_FLAGS: &[(&str, u8)] = &[
    ("fin", 0x01),
    ("syn", 0x02),
    ("rst", 0x04),
    ("psh", 0x08),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ecn", 0x40),
    ("ece", 0x40),
    ("cwr", 0x80),
];

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;
pub(super) const SCTP: u8 = 132;

fn find(name: &str, names: &[(&str, u8)]) -> Option<u8> {
    let (_, number) = names
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(*number)
}

/// The number of a protocol.
pub(super) fn protocol(name: &str) -> Option<u8> {
    find(name, PROTOCOLS)
}

/// The number of a code point.
pub(super) fn dscp(name: &str) -> Option<u8> {
    find(name, DSCP)
}

/// The number of an ICMP type.
pub(super) fn icmp(name: &str) -> Option<u8> {
    find(name, ICMP_TYPES)
}

/// The number of an ICMPv6 type.
pub(super) fn icmpv6(name: &str) -> Option<u8> {
    find(name, ICMPV6_TYPES)
}

/// The bit of a TCP flag.
pub(super) fn tcp_flag(name: &str) -> Option<u8> {
    find(name, TCP_FLAGS)
}
