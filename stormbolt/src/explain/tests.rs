//! Questions that become frames, and those that contradict themselves.

use std::net::IpAddr;

use proptest::option;
use proptest::prelude::*;
use stormbolt_common::classifier::Fragment;
use stormbolt_common::ipv4_mapped;
use stormbolt_ebpf::parse::{Ports, parse};

use super::{frame_of, hex, unhex};
use crate::api::explanation::{Place, Question, Word};

/// A TCP packet to port 443.
fn question(source: &str, destination: &str) -> Question {
    Question {
        src: Some(source.parse().unwrap()),
        dst: Some(destination.parse().unwrap()),
        dst_port: Some(443),
        ..Question::default()
    }
}

fn v4() -> Question {
    question("10.0.0.1", "10.0.0.2")
}

fn word(text: &str) -> Word {
    Word::Name(text.to_owned())
}

/// The question about a TCP packet with a change.
fn with(change: impl Fn(&mut Question)) -> Question {
    let mut question = v4();
    change(&mut question);
    question
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => ipv4_mapped(address.octets()),
        IpAddr::V6(address) => address.octets(),
    }
}

fn address() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (a.into(), b.into())),
        // Anything but the form in which IPv6 writes IPv4 addresses, which is malformed.
        any::<([u8; 14], [u8; 14])>().prop_map(|(a, b)| {
            let of = |rest: [u8; 14]| {
                let mut whole = [0x20; 16];
                whole[2..].copy_from_slice(&rest);
                IpAddr::from(whole)
            };
            (of(a), of(b))
        }),
    ]
}

proptest! {
    #[test]
    fn a_frame_is_parsed_into_what_was_asked(
        (source, destination) in address(),
        protocol in prop_oneof![Just(6_u8), Just(17), Just(132), Just(1), Just(47), Just(255)],
        ports: (u16, u16),
        dscp in 0_u8..64,
        vlan in option::of(0_u16..4096),
        flags: u8,
        icmp_type in 0_u8..128,
        place in prop_oneof![Just(Place::No), Just(Place::First), Just(Place::Later)],
        length in option::of(126_u16..3000),
    ) {
        // The numbers of ICMP differ.
        let protocol = if protocol == 1 && source.is_ipv6() { 58 } else { protocol };
        let (has_ports, is_icmp) = (matches!(protocol, 6 | 17 | 132), matches!(protocol, 1 | 58));
        let is_first = place != Place::Later;
        let asked = Question {
            src: Some(source),
            dst: Some(destination),
            protocol: Some(Word::Number(protocol.into())),
            src_port: (has_ports && is_first).then_some(ports.0),
            dst_port: (has_ports && is_first).then_some(ports.1),
            dscp: Some(Word::Number(dscp.into())),
            vlan,
            tcp_flags: (protocol == 6 && is_first)
                .then(|| crate::config::words::write_tcp_flags(flags)),
            icmp_type: (is_icmp && is_first).then_some(Word::Number(icmp_type.into())),
            fragment: Some(place),
            length_bytes: length,
            ..Question::default()
        };
        let frame = frame_of(&asked).unwrap();
        if let Some(length) = length {
            prop_assert_eq!(frame.len(), usize::from(length));
        }
        prop_assert!(frame.len() >= 60);
        let parsed = parse(&frame[..]).unwrap();
        prop_assert_eq!(parsed.source, octets(source));
        prop_assert_eq!(parsed.destination, octets(destination));
        prop_assert_eq!(parsed.protocol, protocol);
        let ports = Ports { source: ports.0, destination: ports.1 };
        prop_assert_eq!(parsed.ports, (has_ports && is_first).then_some(ports));
        prop_assert_eq!(parsed.dscp, dscp);
        prop_assert_eq!(parsed.vlan, vlan);
        prop_assert_eq!(parsed.tcp_flags, (protocol == 6 && is_first).then_some(flags));
        prop_assert_eq!(parsed.icmp_type, (is_icmp && is_first).then_some(icmp_type));
        let fragment = match place {
            Place::No => Fragment::Whole,
            Place::First => Fragment::First,
            Place::Later => Fragment::Later,
        };
        prop_assert_eq!(parsed.fragment, fragment);
    }

    #[test]
    fn hexadecimal_is_read_as_it_is_written(bytes: Vec<u8>) {
        prop_assert_eq!(unhex(&hex(&bytes)), Ok(bytes));
    }
}

#[test]
fn what_is_not_given_follows_from_the_rest() {
    let parsed = |question: &Question| parse(&frame_of(question).unwrap()[..]).unwrap();
    let plain = parsed(&v4());
    assert_eq!((plain.protocol, plain.tcp_flags), (6, Some(2)));
    assert_eq!(
        plain.ports,
        Some(Ports {
            source: 49_152,
            destination: 443
        })
    );
    let echo = |question: Question| {
        parsed(&Question {
            dst_port: None,
            icmp_type: Some(word("echo-request")),
            ..question
        })
    };
    let (of_v4, of_v6) = (echo(v4()), echo(question("2001:db8::1", "2001:db8::2")));
    assert_eq!((of_v4.protocol, of_v4.icmp_type), (1, Some(8)));
    assert_eq!((of_v6.protocol, of_v6.icmp_type), (58, Some(128)));
}

#[test]
fn a_contradiction_is_told_by_the_key_that_has_it() {
    let of_protocol = |name: &'static str| {
        with(move |question| {
            question.protocol = Some(word(name));
            question.dst_port = None;
        })
    };
    let cases = [
        ("src", with(|it| it.src = None), "missing"),
        ("dst", question("10.0.0.1", "2001:db8::1"), "IPv6"),
        ("dst_port", with(|it| it.dst_port = None), "missing"),
        (
            "dst_port",
            with(|it| it.protocol = Some(word("icmp"))),
            "no ports",
        ),
        (
            "tcp_flags",
            Question {
                tcp_flags: Some("syn".to_owned()),
                ..of_protocol("udplite")
            },
            "no TCP flags",
        ),
        (
            "tcp_flags",
            with(|it| it.tcp_flags = Some("sny".to_owned())),
            "syn",
        ),
        (
            "dst_port",
            with(|it| it.fragment = Some(Place::Later)),
            "later fragments",
        ),
        (
            "icmp_type",
            Question {
                icmp_type: Some(word("echo-request")),
                ..of_protocol("tcp")
            },
            "no ICMP types",
        ),
        ("protocol", of_protocol("icmpv6"), "icmp"),
        ("protocol", of_protocol("tpc"), "tcp"),
        (
            "protocol",
            Question {
                dst: "::1".parse().ok(),
                src: "::2".parse().ok(),
                ..of_protocol("ah")
            },
            "extension header",
        ),
        ("vlan", with(|it| it.vlan = Some(4096)), "4095"),
        ("length_bytes", with(|it| it.length_bytes = Some(53)), "54"),
        (
            "length_bytes",
            with(|it| it.length_bytes = Some(9000)),
            "3000",
        ),
        (
            "src",
            with(|it| it.frame = Some("00".repeat(60))),
            "whole frame",
        ),
    ];
    for (key, question, part) in cases {
        let error = frame_of(&question).unwrap_err();
        assert_eq!(error.key, key, "{error}");
        assert!(error.problem.contains(part), "{error}");
    }
}

#[test]
fn a_frame_is_hexadecimal_and_of_a_length_that_can_be_run() {
    let of = |frame: &str| {
        frame_of(&Question {
            frame: Some(frame.to_owned()),
            ..Question::default()
        })
    };
    assert_eq!(of(&"0A: ".repeat(14)).unwrap(), [10; 14]);
    for (frame, part) in [
        ("00".repeat(13), "13 bytes"),
        ("00".repeat(3001), "3001 bytes"),
        ("0".repeat(61), "half a byte"),
        ("0x00".repeat(30), "`x`"),
    ] {
        let error = of(&frame).unwrap_err();
        assert!(
            error.key == "frame" && error.problem.contains(part),
            "{error}"
        );
    }
    let error = of("0\u{1b}").unwrap_err();
    assert!(error.problem.contains("\\u{1b}"), "{error}");
    assert_eq!(
        frame_of(&Question {
            length_bytes: Some(1),
            ..v4()
        })
        .unwrap_err()
        .with_option(),
        "--length: 1 bytes are less than the headers have, 54"
    );
}
