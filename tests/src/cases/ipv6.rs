//! IPv6 headers, extension headers, fragments and neighbour discovery.

use stormbolt_common::outcome::Outcome;

use super::{Case, plain, ruled};
use crate::packet::{ACK, Extension, Ipv6, SYN, cut, icmp, padded, tcp, udp};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

pub(super) fn cases() -> Vec<Case> {
    [
        headers(),
        extensions(),
        broken_extensions(),
        fragments(),
        discovery(),
    ]
    .concat()
}

fn headers() -> Vec<Case> {
    let datagram = udp(1, 2, 10);
    let header = Ipv6::default;
    let bad_total = |sentence, frame| Case::new(sentence, frame, Outcome::BadTotalLength);
    let bad_version = |sentence, frame| Case::new(sentence, frame, Outcome::BadVersion);
    let truncated = |sentence, frame| Case::new(sentence, frame, Outcome::Truncated);
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1];
    let bad_address = |sentence, frame| Case::new(sentence, frame, Outcome::BadAddress);
    vec![
        bad_address(
            "an IPv4-mapped source would pass for IPv4",
            Ipv6 {
                source: mapped,
                ..header()
            }
            .frame(&datagram),
        ),
        bad_address(
            "an IPv4-mapped destination does not belong on the wire",
            Ipv6 {
                destination: mapped,
                ..header()
            }
            .frame(&datagram),
        ),
        bad_version(
            "version 4 behind IPv6's EtherType is a lie",
            Ipv6 {
                version: 4,
                ..header()
            }
            .frame(&datagram),
        ),
        bad_version(
            "version 15 is no version",
            Ipv6 {
                version: 15,
                ..header()
            }
            .frame(&datagram),
        ),
        bad_total(
            "a payload length one beyond the frame is a lie",
            Ipv6 {
                payload_length: Some(19),
                ..header()
            }
            .frame(&datagram),
        ),
        bad_total(
            "the greatest payload length in a small frame is a lie",
            Ipv6 {
                payload_length: Some(65_535),
                ..header()
            }
            .frame(&datagram),
        ),
        truncated(
            "39 bytes are no header",
            cut(header().frame(&datagram), 14 + 39),
        ),
        truncated(
            "a payload length of zero leaves no room for UDP",
            Ipv6 {
                payload_length: Some(0),
                ..header()
            }
            .frame(&datagram),
        ),
        ruled(
            "an IPv6 packet may end in no header",
            "no header behind",
            Ipv6::of(59).frame(&[]),
        ),
        ruled(
            "what stands behind no-next-header is not looked at",
            "no header behind",
            Ipv6::of(59).frame(&udp(5000, 6009, 0)),
        ),
        ruled(
            "the code point lies across two bytes",
            "voice",
            Ipv6 {
                dscp: 46,
                ..header()
            }
            .frame(&datagram),
        ),
        plain(
            "the code points beside it are others",
            Ipv6 {
                dscp: 47,
                ..header()
            }
            .frame(&datagram),
        ),
        ruled(
            "ESP hides its ports",
            "esp",
            Ipv6::of(50).frame(&udp(5000, 6009, 0)),
        ),
    ]
}

fn extensions() -> Vec<Case> {
    let behind = |extensions| Ipv6::default().with(extensions).frame(&udp(5000, 2, 4));
    let found = |sentence, extensions| ruled(sentence, "from ports", behind(extensions));
    let eight = || vec![Extension::of(DESTINATION_OPTIONS); 8];
    vec![
        found(
            "hop-by-hop options are followed",
            vec![Extension::of(HOP_BY_HOP)],
        ),
        found(
            "a routing header is followed",
            vec![Extension::sized(ROUTING, 2)],
        ),
        found(
            "destination options are followed",
            vec![Extension::of(DESTINATION_OPTIONS)],
        ),
        found(
            "an authentication header counts in words",
            vec![Extension::authentication()],
        ),
        found(
            "a mobility header is followed",
            vec![Extension::of(MOBILITY)],
        ),
        found(
            "a host identity header is followed",
            vec![Extension::of(HIP)],
        ),
        found("a shim6 header is followed", vec![Extension::of(SHIM6)]),
        found(
            "the longest extension header is followed",
            vec![Extension::sized(ROUTING, 255)],
        ),
        found(
            "the usual order is followed",
            vec![
                Extension::of(HOP_BY_HOP),
                Extension::of(DESTINATION_OPTIONS),
                Extension::of(ROUTING),
                Extension::fragment(0, false),
                Extension::authentication(),
                Extension::of(DESTINATION_OPTIONS),
            ],
        ),
        found("eight extension headers are followed", eight()),
        Case::new(
            "nine extension headers are one too many",
            behind([eight(), vec![Extension::of(ROUTING)]].concat()),
            Outcome::TooManyExtensionHeaders,
        ),
        Case::new(
            "a fragment header counts among the nine",
            behind([eight(), vec![Extension::fragment(0, false)]].concat()),
            Outcome::TooManyExtensionHeaders,
        ),
        plain(
            "TCP is found behind an extension header",
            Ipv6::of(6)
                .with(vec![Extension::of(HOP_BY_HOP)])
                .frame(&tcp(1, 2, ACK)),
        ),
        ruled(
            "ICMPv6 is found behind an extension header",
            "pings",
            Ipv6::of(58)
                .with(vec![Extension::of(HOP_BY_HOP)])
                .frame(&icmp(128)),
        ),
    ]
}

fn broken_extensions() -> Vec<Case> {
    let truncated = |sentence, frame| Case::new(sentence, frame, Outcome::Truncated);
    let options = || Ipv6::of(17).with(vec![Extension::sized(DESTINATION_OPTIONS, 1)]);
    vec![
        truncated(
            "an extension header that is not there is cut off",
            Ipv6::of(DESTINATION_OPTIONS).frame(&[]),
        ),
        truncated(
            "an extension header longer than the packet is cut off",
            padded(
                Ipv6 {
                    payload_length: Some(15),
                    ..options()
                }
                .frame(&[]),
                200,
            ),
        ),
        truncated(
            "an extension header of eight bytes in seven is cut off",
            Ipv6::of(ROUTING).frame(&[17, 0, 0, 0, 0, 0, 0]),
        ),
        truncated(
            "a packet that ends with its last extension header has no UDP",
            options().frame(&[]),
        ),
        truncated(
            "an authentication header longer than the packet is cut off",
            Ipv6::of(51).frame(&[17, 255, 0, 0, 0, 0, 0, 0]),
        ),
    ]
}

fn fragments() -> Vec<Case> {
    let fragment = |offset, more| Ipv6::of(17).with(vec![Extension::fragment(offset, more)]);
    let of_tcp = |offset, more| Ipv6::of(6).with(vec![Extension::fragment(offset, more)]);
    let bad = |sentence, frame| Case::new(sentence, frame, Outcome::BadFragment);
    vec![
        ruled(
            "an atomic fragment is a whole packet",
            "from ports",
            fragment(0, false).frame(&udp(5000, 2, 0)),
        ),
        plain(
            "an atomic fragment is not a first fragment",
            fragment(0, false).frame(&udp(1, 2, 0)),
        ),
        ruled(
            "the first fragment of an IPv6 packet has the ports",
            "first udp fragments",
            fragment(0, true).frame(&udp(1, 2, 8)),
        ),
        ruled(
            "a later fragment of an IPv6 packet has no ports",
            "later udp fragments",
            fragment(2, true).frame(&udp(5000, 6009, 0)),
        ),
        plain(
            "the payload of a later fragment is no extension header",
            Ipv6::of(DESTINATION_OPTIONS)
                .with(vec![Extension::fragment(2, false)])
                .frame(&[255; 4]),
        ),
        bad(
            "the first fragment of an IPv6 packet hides UDP",
            fragment(0, true).frame(&[0; 7]),
        ),
        bad(
            "the first fragment of an IPv6 packet hides TCP",
            of_tcp(0, true).frame(&[0; 8]),
        ),
        bad(
            "the first fragment hides an extension header",
            Ipv6::of(DESTINATION_OPTIONS)
                .with(vec![Extension::fragment(0, true)])
                .frame(&[]),
        ),
        bad(
            "the first fragment hides a part of an extension header",
            Ipv6::of(DESTINATION_OPTIONS)
                .with(vec![Extension::fragment(0, true)])
                .frame(&[17, 1, 0, 0, 0, 0, 0, 0]),
        ),
        bad(
            "a fragment of a fragment is one too many",
            Ipv6::of(17)
                .with(vec![
                    Extension::fragment(0, true),
                    Extension::fragment(0, true),
                ])
                .frame(&udp(1, 2, 0)),
        ),
        bad(
            "an IPv6 fragment ends beyond 65,535 bytes",
            fragment(0x1fff, false).frame(&[0; 8]),
        ),
        ruled(
            "an IPv6 fragment that ends at 65,535 bytes is in time",
            "later udp fragments",
            fragment(0x1fff, false).frame(&[0; 7]),
        ),
        ruled(
            "TCP's first fragment has the flags",
            "connects",
            of_tcp(0, true).frame(&tcp(1, 2, SYN)),
        ),
    ]
}

fn discovery() -> Vec<Case> {
    let message = |icmp_type, hop_limit| {
        Ipv6 {
            hop_limit,
            ..Ipv6::of(58)
        }
        .frame(&icmp(icmp_type))
    };
    let found = |sentence, frame| Case::new(sentence, frame, Outcome::NeighborDiscovery);
    vec![
        found(
            "a router solicitation belongs to the stack",
            message(133, 255),
        ),
        found(
            "a router advertisement belongs to the stack",
            message(134, 255),
        ),
        found(
            "a neighbour solicitation belongs to the stack",
            message(135, 255),
        ),
        found(
            "a neighbour advertisement belongs to the stack",
            message(136, 255),
        ),
        found("a redirect belongs to the stack", message(137, 255)),
        plain(
            "discovery that crossed a router is forged and is policed",
            message(135, 64),
        ),
        plain(
            "discovery with hop limit 254 is forged and is policed",
            message(136, 254),
        ),
        plain("the type below discovery is policed", message(132, 255)),
        plain("the type above discovery is policed", message(138, 255)),
        found(
            "discovery behind an extension header belongs to the stack",
            Ipv6 {
                hop_limit: 255,
                ..Ipv6::of(58)
            }
            .with(vec![Extension::of(HOP_BY_HOP)])
            .frame(&icmp(135)),
        ),
        plain(
            "fragmented discovery is policed, hosts ignore it",
            Ipv6 {
                hop_limit: 255,
                ..Ipv6::of(58)
            }
            .with(vec![Extension::fragment(0, true)])
            .frame(&icmp(135)),
        ),
        Case::new(
            "discovery without a whole ICMPv6 header is cut off",
            Ipv6 {
                hop_limit: 255,
                ..Ipv6::of(58)
            }
            .frame(&icmp(135)[..7]),
            Outcome::Truncated,
        ),
    ]
}
