//! IPv4 headers and fragments.

use stormbolt_common::outcome::Outcome;

use super::{Case, plain, ruled};
use crate::packet::{
    ACK, DONT_FRAGMENT, IPV4, Ipv4, MORE_FRAGMENTS, SYN, cut, ethernet, icmp, padded, sctp, tcp,
    udp,
};

pub(super) fn cases() -> Vec<Case> {
    [headers(), fragments()].concat()
}

fn headers() -> Vec<Case> {
    let datagram = udp(1, 2, 10);
    let header = Ipv4::default;
    let bad_length = |sentence, frame| Case::new(sentence, frame, Outcome::BadHeaderLength);
    let bad_total = |sentence, frame| Case::new(sentence, frame, Outcome::BadTotalLength);
    let bad_version = |sentence, frame| Case::new(sentence, frame, Outcome::BadVersion);
    let truncated = |sentence, frame| Case::new(sentence, frame, Outcome::Truncated);
    vec![
        plain(
            "options are skipped",
            Ipv4 {
                options: vec![1; 4],
                ..header()
            }
            .frame(&datagram),
        ),
        ruled(
            "ports stand behind the longest options",
            "from ports",
            Ipv4 {
                options: vec![1; 40],
                ..header()
            }
            .frame(&udp(5005, 2, 0)),
        ),
        bad_version(
            "version 6 behind IPv4's EtherType is a lie",
            Ipv4 {
                version: 6,
                ..header()
            }
            .frame(&datagram),
        ),
        bad_version(
            "version 0 is no version",
            Ipv4 {
                version: 0,
                ..header()
            }
            .frame(&datagram),
        ),
        bad_length(
            "a header of 16 bytes is too short",
            Ipv4 {
                words: Some(4),
                ..header()
            }
            .frame(&datagram),
        ),
        bad_length(
            "a header of no bytes is too short",
            Ipv4 {
                words: Some(0),
                ..header()
            }
            .frame(&datagram),
        ),
        truncated(
            "options that the frame does not have are cut off",
            Ipv4 {
                words: Some(15),
                ..header()
            }
            .frame(&[0; 8]),
        ),
        bad_total(
            "options beyond the total length are a lie",
            Ipv4 {
                words: Some(15),
                total_length: Some(40),
                ..header()
            }
            .frame(&[0; 60]),
        ),
        bad_total(
            "a total length below the header's is a lie",
            Ipv4 {
                total_length: Some(19),
                ..header()
            }
            .frame(&datagram),
        ),
        bad_total(
            "a total length of zero is a lie",
            Ipv4 {
                total_length: Some(0),
                ..header()
            }
            .frame(&datagram),
        ),
        bad_total(
            "a total length one beyond the frame is a lie",
            Ipv4 {
                total_length: Some(39),
                ..header()
            }
            .frame(&datagram),
        ),
        bad_total(
            "the greatest total length in a small frame is a lie",
            Ipv4 {
                total_length: Some(65_535),
                ..header()
            }
            .frame(&datagram),
        ),
        truncated(
            "19 bytes are no header",
            cut(header().frame(&datagram), 14 + 19),
        ),
        plain(
            "an unknown protocol without payload has no header to miss",
            Ipv4::of(253).frame(&[]),
        ),
        ruled(
            "a known protocol of no ports is matched by number",
            "esp",
            Ipv4::of(50).frame(&[0; 8]),
        ),
        ruled(
            "the code point is the upper six bits",
            "voice",
            Ipv4 {
                dscp: 46,
                ..header()
            }
            .frame(&datagram),
        ),
        plain(
            "an authentication header behind IPv4 is a protocol like any other",
            Ipv4::of(51).frame(&[17, 4, 0, 0, 0, 0, 0, 0]),
        ),
        truncated(
            "a TCP header that only padding completes is cut off",
            padded(Ipv4::of(6).frame(&tcp(1, 2, ACK)[..19]), 60),
        ),
        truncated(
            "an empty UDP packet is cut off, whatever the padding says",
            [ethernet(IPV4, &Ipv4::of(17).packet(&[])), udp(1, 2, 4)].concat(),
        ),
    ]
}

fn fragments() -> Vec<Case> {
    let at = |protocol, fragment| Ipv4 {
        fragment,
        ..Ipv4::of(protocol)
    };
    let bad = |sentence, frame| Case::new(sentence, frame, Outcome::BadFragment);
    vec![
        plain(
            "don't-fragment alone is no fragment",
            at(17, DONT_FRAGMENT).frame(&udp(1, 2, 8)),
        ),
        ruled(
            "a first fragment has the ports",
            "from ports",
            at(17, MORE_FRAGMENTS).frame(&udp(5000, 2, 8)),
        ),
        ruled(
            "a first fragment is told from a whole packet",
            "first udp fragments",
            at(17, MORE_FRAGMENTS).frame(&udp(1, 2, 8)),
        ),
        ruled(
            "a later fragment has no ports, whatever its bytes look like",
            "later udp fragments",
            at(17, MORE_FRAGMENTS | 2).frame(&udp(5000, 6009, 8)),
        ),
        ruled(
            "the last fragment is a later one",
            "later udp fragments",
            at(17, 2).frame(&[0; 5]),
        ),
        plain(
            "a later fragment has no TCP flags",
            at(6, 3).frame(&tcp(1, 6009, SYN)),
        ),
        plain(
            "a later fragment has no ICMP type",
            at(1, 3).frame(&icmp(8)),
        ),
        bad(
            "a first fragment hides a part of TCP",
            at(6, MORE_FRAGMENTS).frame(&[0; 16]),
        ),
        bad(
            "a first fragment of eight bytes hides TCP",
            at(6, MORE_FRAGMENTS).frame(&[0; 8]),
        ),
        bad(
            "an empty first fragment hides UDP",
            at(17, MORE_FRAGMENTS).frame(&[]),
        ),
        bad(
            "a first fragment hides SCTP",
            at(132, MORE_FRAGMENTS).frame(&sctp(1, 2)[..8]),
        ),
        bad("a first fragment hides TCP's options", {
            let mut header = tcp(1, 2, ACK);
            header[12] = 0xf0;
            at(6, MORE_FRAGMENTS).frame(&header)
        }),
        bad(
            "a second fragment overwrites TCP's flags",
            at(6, 1).frame(&tcp(1, 2, SYN)),
        ),
        bad(
            "a second fragment with more to come overwrites TCP's flags",
            at(6, MORE_FRAGMENTS | 1).frame(&[0; 8]),
        ),
        ruled(
            "only TCP has flags that a second fragment could overwrite",
            "later udp fragments",
            at(17, 1).frame(&[0; 24]),
        ),
        bad(
            "the ping of death ends beyond 65,535 bytes",
            at(1, 0x1fff).frame(&[0; 8]),
        ),
        bad(
            "the ping of death counts its header too",
            at(1, 0x1fff - 1).frame(&[0; 8]),
        ),
        plain(
            "the last fragment of the longest ICMP datagram ends in time",
            at(1, 0x1fff - 3).frame(&[0; 8]),
        ),
    ]
}
