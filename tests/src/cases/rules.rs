//! Every field of a rule, every action, and every way through policer and steering.

use stormbolt_common::outcome::Outcome;

use super::{Case, plain, ruled};
use crate::packet::{Ipv4, Ipv6, MORE_FRAGMENTS, padded, udp};

pub(super) fn cases() -> Vec<Case> {
    [matching(), actions()].concat()
}

fn matching() -> Vec<Case> {
    let from = |source| {
        Ipv4 {
            source,
            ..Ipv4::default()
        }
        .frame(&udp(1, 2, 0))
    };
    let between = |source: [u8; 4], destination: [u8; 4]| {
        let address =
            |[a, b, c, d]: [u8; 4]| [0x20, 0x01, 0x0d, 0xb8, 0, a, 0, 0, 0, 0, 0, 0, 0, b, c, d];
        let (source, destination) = (address(source), address(destination));
        Ipv6 {
            source,
            destination,
            ..Ipv6::default()
        }
        .frame(&udp(1, 2, 0))
    };
    let to_7000 = || Ipv4::default().frame(&udp(1, 7000, 0));
    vec![
        ruled(
            "the first address of a prefix is in it",
            "office",
            from([10, 1, 0, 0]),
        ),
        ruled(
            "the last address of a prefix is in it",
            "office",
            from([10, 1, 255, 255]),
        ),
        plain(
            "the address below a prefix is outside",
            from([10, 0, 255, 255]),
        ),
        plain("the address above a prefix is outside", from([10, 2, 0, 0])),
        ruled(
            "an IPv6 prefix has its addresses",
            "servers",
            between([9, 0, 0, 1], [1, 0, 0, 2]),
        ),
        plain(
            "the source is not the destination",
            between([1, 0, 0, 2], [9, 0, 0, 1]),
        ),
        ruled(
            "both addresses of a rule match",
            "exactly one host",
            between([2, 0, 0, 1], [2, 0, 0, 2]),
        ),
        plain(
            "one address of two is not enough",
            between([2, 0, 0, 1], [2, 0, 0, 3]),
        ),
        ruled(
            "the first of two matching rules wins",
            "office",
            Ipv4 {
                source: [10, 1, 2, 3],
                ..Ipv4::default()
            }
            .frame(&udp(5000, 6009, 0)),
        ),
        ruled(
            "a frame of 1,400 bytes is large",
            "large",
            padded(to_7000(), 1400),
        ),
        ruled(
            "a frame of 1,500 bytes is large",
            "large",
            padded(to_7000(), 1500),
        ),
        plain("a frame of 1,399 bytes is not", padded(to_7000(), 1399)),
        plain(
            "a frame of 1,501 bytes is too large",
            padded(to_7000(), 1501),
        ),
        plain("a frame of 3,000 bytes is taken", padded(to_7000(), 3000)),
        ruled(
            "a rule for an interface matches there",
            "from outside",
            to_7000(),
        )
        .arriving_on(Some(1)),
        plain(
            "a rule for an interface does not match elsewhere",
            to_7000(),
        )
        .arriving_on(Some(0)),
        plain("an interface without rules has its own counters", to_7000()).arriving_on(Some(15)),
        Case::new(
            "an interface that is not ours passes everything",
            to_7000(),
            Outcome::Unconfigured,
        )
        .arriving_on(None),
        Case::new(
            "an interface that is not ours passes malformed packets too",
            Ipv4 {
                version: 9,
                ..Ipv4::default()
            }
            .frame(&[]),
            Outcome::Unconfigured,
        )
        .arriving_on(None),
    ]
}

fn actions() -> Vec<Case> {
    let to = |port| Ipv4::default().frame(&udp(1, port, 20));
    let to6 = |port| Ipv6::default().frame(&udp(1, port, 20));
    let case = |sentence, name: &'static str, outcome, frame| {
        Case::new(sentence, frame, outcome)
            .by_rule(name)
            .in_class(name)
    };
    vec![
        case(
            "a flow goes on at its slot's CPU",
            "steered",
            Outcome::ClassSteered,
            to(6001),
        ),
        case(
            "an IPv6 flow goes on at its slot's CPU",
            "steered",
            Outcome::ClassSteered,
            to6(6001),
        ),
        case(
            "a first fragment goes where its later fragments go",
            "steered",
            Outcome::ClassSteered,
            Ipv4 {
                fragment: MORE_FRAGMENTS,
                ..Ipv4::default()
            }
            .frame(&udp(1, 6001, 8)),
        ),
        case(
            "a flow whose CPU runs already stays",
            "local",
            Outcome::ClassPassed,
            to(6002),
        ),
        case(
            "a flow whose slot has no CPU stays",
            "resting",
            Outcome::ClassPassed,
            to(6003),
        ),
        case(
            "a flow whose CPU has no queue stays",
            "queueless",
            Outcome::ClassPassed,
            to(6004),
        ),
        case(
            "nothing passes in a blocked class",
            "blocked",
            Outcome::OverRate,
            to(6005),
        ),
        case(
            "a packet within the rate passes",
            "metered",
            Outcome::ClassPassed,
            to(6006),
        ),
        case(
            "a packet without tokens is dropped",
            "dry",
            Outcome::OverRate,
            to(6007),
        ),
        Case::new("a rule passes unpoliced", to(6008), Outcome::RulePassed).by_rule("passed"),
        Case::new("a rule drops", to(6009), Outcome::RuleDropped).by_rule("dropped"),
        Case::new("a rule drops IPv6", to6(6009), Outcome::RuleDropped).by_rule("dropped"),
        case(
            "a class is policed per interface",
            "dry",
            Outcome::OverRate,
            to6(6007),
        )
        .arriving_on(Some(1)),
    ]
}
