//! Ethernet, VLAN tags, and what is not IP.

use stormbolt_common::outcome::Outcome;

use super::{Case, plain, ruled};
use crate::packet::{
    ARP, CUSTOMER_TAG, IPV4, IPV6, Ipv4, Ipv6, LLDP, SERVICE_TAG, cut, ethernet, padded, tag,
    tagged, udp,
};

pub(super) fn cases() -> Vec<Case> {
    let ipv4 = || Ipv4::default().frame(&udp(1, 2, 10));
    let ipv6 = || Ipv6::default().frame(&udp(1, 2, 10));
    let not_ip = |sentence, frame| Case::new(sentence, frame, Outcome::NotIp);
    let too_many = |sentence, frame| Case::new(sentence, frame, Outcome::TooManyVlanTags);
    let truncated = |sentence, frame| Case::new(sentence, frame, Outcome::Truncated);
    vec![
        plain("untagged IPv4 is classified", ipv4()),
        plain("untagged IPv6 is classified", ipv6()),
        plain("IPv4 behind one tag is classified", tag(&ipv4(), 7)),
        plain("IPv6 behind one tag is classified", tag(&ipv6(), 7)),
        plain(
            "IPv4 behind a service tag alone is classified",
            tagged(&ipv4(), SERVICE_TAG, 7),
        ),
        plain(
            "IPv4 behind a service and a customer tag is classified",
            tagged(&tag(&ipv4(), 7), SERVICE_TAG, 9),
        ),
        plain(
            "IPv6 behind two customer tags is classified",
            tag(&tag(&ipv6(), 7), 9),
        ),
        ruled(
            "the outer tag's VLAN counts",
            "guests",
            tag(&tag(&ipv4(), 7), 105),
        ),
        plain(
            "the inner tag's VLAN does not count",
            tag(&tag(&ipv4(), 105), 7),
        ),
        ruled(
            "priority bits are not part of the VLAN",
            "guests",
            tagged(&ipv4(), CUSTOMER_TAG, 0xf000 | 0x64),
        ),
        plain(
            "a priority tag is VLAN 0",
            tagged(&ipv4(), CUSTOMER_TAG, 0xe000),
        ),
        plain("VLAN 4095 is a VLAN", tag(&ipv4(), 4095)),
        ruled(
            "behind a priority tag the inner tag's VLAN counts",
            "guests",
            tag(&tag(&ipv4(), 105), 0),
        ),
        plain("two priority tags are VLAN 0", tag(&tag(&ipv4(), 0), 0)),
        too_many(
            "three tags are one too many",
            tag(&tag(&tag(&ipv4(), 7), 8), 9),
        ),
        too_many(
            "three empty tags carry nothing past the rules",
            tag(&tag(&tag(&ipv4(), 0), 0), 0),
        ),
        too_many(
            "four tags are two too many",
            tag(&tag(&tag(&tag(&ipv6(), 1), 2), 3), 4),
        ),
        not_ip(
            "ARP belongs to the stack",
            padded(ethernet(ARP, &[0, 1, 8, 0, 6, 4, 0, 1]), 42),
        ),
        not_ip(
            "ARP behind a tag belongs to the stack",
            padded(tag(&ethernet(ARP, &[]), 7), 60),
        ),
        not_ip(
            "LLDP belongs to the stack",
            ethernet(LLDP, &[2, 7, 4, 0, 0, 0, 0, 0]),
        ),
        not_ip(
            "802.3 with a length instead of a type is not IP",
            ethernet(38, &[0x42, 0x42, 3]),
        ),
        not_ip(
            "the old tag type 0x9100 is not followed",
            tagged(&ipv4(), 0x9100, 7),
        ),
        not_ip(
            "PPPoE is not followed",
            ethernet(0x8864, &[0x11, 0, 0, 1, 0, 4, 0, 0x21]),
        ),
        not_ip("MPLS is not followed", ethernet(0x8847, &[0, 0, 0x11, 64])),
        not_ip("an unassigned type is not IP", ethernet(0xffff, &[0; 46])),
        not_ip(
            "a bare Ethernet header of an unknown type is not IP",
            ethernet(0x1234, &[]),
        ),
        truncated(
            "a bare Ethernet header of IPv4 is cut off",
            ethernet(IPV4, &[]),
        ),
        truncated(
            "a bare Ethernet header of IPv6 is cut off",
            ethernet(IPV6, &[]),
        ),
        truncated(
            "a tag without its last byte is cut off",
            cut(tag(&ipv4(), 7), 17),
        ),
        truncated(
            "a second tag without its last byte is cut off",
            cut(tag(&tag(&ipv4(), 7), 8), 21),
        ),
        plain(
            "padding behind the IP packet is ignored",
            padded(ipv4(), 400),
        ),
        plain(
            "padding behind an IPv6 packet is ignored",
            padded(ipv6(), 400),
        ),
    ]
}
