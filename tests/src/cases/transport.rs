//! TCP, UDP, SCTP, ICMP.

use stormbolt_common::outcome::Outcome;

use super::{Case, plain, ruled};
use crate::packet::{
    ACK, FIN, Ipv4, Ipv6, RST, SYN, icmp, padded, sctp, tcp, tcp_with_words, udp, udp_of_length,
};

pub(super) fn cases() -> Vec<Case> {
    [tcp_cases(), udp_cases(), other_cases()].concat()
}

fn tcp_cases() -> Vec<Case> {
    let header = || Ipv4::of(6);
    let bad = |sentence, frame| Case::new(sentence, frame, Outcome::BadHeaderLength);
    let truncated = |sentence, frame| Case::new(sentence, frame, Outcome::Truncated);
    vec![
        ruled(
            "SYN opens a connection",
            "connects",
            header().frame(&tcp(1, 2, SYN)),
        ),
        plain(
            "SYN with ACK does not open one",
            header().frame(&tcp(1, 2, SYN | ACK)),
        ),
        plain("neither does ACK", header().frame(&tcp(1, 2, ACK))),
        ruled(
            "flags that the rule does not name do not matter",
            "connects",
            Ipv6::of(6).frame(&tcp(1, 2, SYN | FIN | RST)),
        ),
        plain(
            "a packet without any flag is still TCP",
            header().frame(&tcp(1, 2, 0)),
        ),
        ruled(
            "ports are read from TCP",
            "from ports",
            header().frame(&tcp(5010, 2, ACK)),
        ),
        bad(
            "a TCP header of 16 bytes is too short",
            header().frame(&tcp_with_words(1, 2, ACK, 4)),
        ),
        bad(
            "a TCP header of no bytes is too short",
            Ipv6::of(6).frame(&tcp_with_words(1, 2, ACK, 0)),
        ),
        truncated(
            "TCP options beyond the packet are cut off",
            header().frame(&tcp_with_words(1, 2, ACK, 6)),
        ),
        truncated(
            "TCP options in the padding are cut off",
            padded(header().frame(&tcp_with_words(1, 2, ACK, 15)), 120),
        ),
        plain(
            "the longest TCP options fit",
            header().frame(&padded(tcp_with_words(1, 2, ACK, 15), 60)),
        ),
    ]
}

fn udp_cases() -> Vec<Case> {
    let header = Ipv4::default;
    let bad = |sentence, frame| Case::new(sentence, frame, Outcome::BadTotalLength);
    vec![
        ruled(
            "ports are read from UDP",
            "from ports",
            header().frame(&udp(5000, 2, 0)),
        ),
        plain(
            "the port below a range is outside",
            header().frame(&udp(4999, 2, 0)),
        ),
        ruled(
            "the last port of a range is inside",
            "from ports",
            header().frame(&udp(5010, 2, 0)),
        ),
        plain(
            "the port above a range is outside",
            header().frame(&udp(5011, 2, 0)),
        ),
        plain(
            "UDP may be shorter than its packet",
            header().frame(&padded(udp(1, 2, 0), 40)),
        ),
        bad(
            "a UDP length of seven is below its header",
            header().frame(&udp_of_length(1, 2, 7)),
        ),
        bad(
            "UDP longer than its packet is a lie",
            header().frame(&udp_of_length(1, 2, 9)),
        ),
        bad(
            "UDP longer than its packet is a lie in padding too",
            padded(header().frame(&udp_of_length(1, 2, 20)), 100),
        ),
        bad(
            "a UDP length of zero is a lie behind IPv4",
            header().frame(&udp_of_length(1, 2, 0)),
        ),
        plain(
            "a UDP length of zero is a jumbogram's behind IPv6",
            Ipv6::default().frame(&udp_of_length(1, 2, 0)),
        ),
        bad(
            "a UDP length of one is a lie",
            Ipv6::default().frame(&udp_of_length(1, 2, 1)),
        ),
        Case::new(
            "seven bytes are no UDP header",
            header().frame(&udp(1, 2, 0)[..7]),
            Outcome::Truncated,
        ),
    ]
}

fn other_cases() -> Vec<Case> {
    let truncated = |sentence, frame| Case::new(sentence, frame, Outcome::Truncated);
    vec![
        ruled(
            "SCTP is matched by number",
            "sctp",
            Ipv4::of(132).frame(&sctp(1, 2)),
        ),
        ruled(
            "SCTP has ports",
            "from ports",
            Ipv6::of(132).frame(&sctp(5001, 2)),
        ),
        truncated(
            "eleven bytes are no SCTP header",
            Ipv4::of(132).frame(&sctp(1, 2)[..11]),
        ),
        ruled(
            "an echo request is matched by type",
            "pings",
            Ipv4::of(1).frame(&icmp(8)),
        ),
        plain(
            "an echo reply has another type",
            Ipv4::of(1).frame(&icmp(0)),
        ),
        ruled(
            "an ICMPv6 echo request is matched by type",
            "pings",
            Ipv6::of(58).frame(&icmp(128)),
        ),
        truncated(
            "seven bytes are no ICMP header",
            Ipv4::of(1).frame(&icmp(8)[..7]),
        ),
        plain(
            "ICMP's bytes are no ports",
            Ipv4::of(1).frame(&[3, 0, 0x13, 0x88, 0x17, 0x79, 0, 0]),
        ),
        plain(
            "UDP's first byte is no ICMP type",
            Ipv4::default().frame(&udp(0x0801, 2, 0)),
        ),
        plain("GRE has no ports", Ipv4::of(47).frame(&udp(5000, 6009, 0))),
        plain(
            "IPv4 in IPv4 is not unwrapped",
            Ipv4::of(4).frame(&Ipv4::default().packet(&udp(5000, 2, 0))),
        ),
    ]
}
