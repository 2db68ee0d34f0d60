//! What is said about rules that a packet meets, and about those that it does not.

use std::net::IpAddr;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stormbolt_common::classifier::Fragment;

use super::{Comparison, Field, Packet, why};
use crate::policy::{
    Accepts, Action, Addresses, FragmentMatch, Range, Rule, RuleMatch, Set, TcpFlagsMatch,
};

fn packet() -> Packet {
    Packet {
        source: "10.1.2.3".parse().unwrap(),
        destination: "192.0.2.9".parse().unwrap(),
        source_port: Some(40_000),
        destination_port: Some(443),
        protocol: 6,
        dscp: 46,
        vlan: Some(7),
        tcp_flags: Some(2),
        fragment: Fragment::Whole,
        icmp_type: None,
        length: 100,
        interface: 1,
    }
}

fn rule(matches: RuleMatch) -> Arc<Rule> {
    Arc::new(Rule {
        name: String::new(),
        matches,
        action: Action::Drop,
    })
}

fn one<T: Copy>(value: T) -> Accepts<Range<T>> {
    Accepts::any_of(vec![Range {
        first: value,
        last: value,
    }])
}

fn within(prefix: &str) -> Addresses {
    Addresses::within(vec![prefix.parse().unwrap()])
}

/// A rule that accepts the packet in every field, and one that fails in exactly one, for each field.
fn accepting_and_failing() -> (RuleMatch, Vec<(Field, RuleMatch)>) {
    let accepting = RuleMatch {
        source: Some(within("10.0.0.0/8")),
        destination: Some(within("192.0.2.0/24")),
        source_port: Some(one(40_000)),
        destination_port: Some(one(443)),
        protocol: Some(Accepts::any_of(vec![6])),
        dscp: Some(one(46)),
        vlan: Some(one(7)),
        tcp_flags: Some(TcpFlagsMatch {
            negated: false,
            mask: 0x12,
            set: 2,
        }),
        fragment: Some(Accepts::any_of(vec![FragmentMatch::No])),
        icmp_type: None,
        length: Some(one(100)),
        interface: Some(Accepts::any_of(vec![1])),
    };
    let change = |field: Field, change: &dyn Fn(&mut RuleMatch)| {
        let mut changed = accepting.clone();
        change(&mut changed);
        (field, changed)
    };
    let failing = vec![
        change(Field::Source, &|rule| {
            rule.source = Some(within("10.2.0.0/16"));
        }),
        change(Field::Destination, &|rule| {
            rule.destination = Some(within("2001:db8::/32"));
        }),
        change(Field::Protocol, &|rule| {
            rule.protocol = Some(Accepts::none_of(vec![6]));
        }),
        change(Field::SourcePort, &|rule| {
            rule.source_port = Some(one(40_001));
        }),
        change(Field::DestinationPort, &|rule| {
            rule.destination_port = Some(one(80));
        }),
        change(Field::Dscp, &|rule| rule.dscp = Some(one(0))),
        change(Field::Vlan, &|rule| rule.vlan = Some(one(8))),
        change(Field::TcpFlags, &|rule| {
            if let Some(flags) = &mut rule.tcp_flags {
                flags.negated = true;
            }
        }),
        change(Field::Fragment, &|rule| {
            rule.fragment = Some(Accepts::any_of(vec![FragmentMatch::Any]));
        }),
        change(Field::IcmpType, &|rule| {
            rule.icmp_type = Some(Accepts::none_of(Vec::new()));
        }),
        change(Field::Length, &|rule| rule.length = Some(one(101))),
        change(Field::Interface, &|rule| {
            rule.interface = Some(Accepts::any_of(vec![0]));
        }),
    ];
    (accepting, failing)
}

#[test]
fn each_field_that_fails_is_named_and_no_other() {
    let (accepting, failing) = accepting_and_failing();
    let packet = packet();
    let comparison = Comparison::new(&packet, &[]);
    assert!(comparison.failing(&accepting).is_empty());
    assert_eq!(failing.len(), Field::ALL.len());
    for (field, rule) in failing {
        let named: Vec<Field> = comparison.failing(&rule).iter().collect();
        assert_eq!(named, [field]);
    }
}

#[test]
fn the_nearest_rules_are_named_and_the_others_counted_by_their_first_failing_field() {
    let (accepting, failing) = accepting_and_failing();
    let two = RuleMatch {
        length: Some(one(1)),
        ..failing[0].1.clone()
    };
    // Two fields, then one, one, one, then the match and what is behind it.
    let of_failing = [0, 3, 3].map(|index: usize| failing[index].1.clone());
    let rules: Vec<Arc<Rule>> = [two]
        .into_iter()
        .chain(of_failing)
        .chain([accepting, failing[5].1.clone()])
        .map(rule)
        .collect();
    let found = why(&rules, &[], &packet(), 2);
    assert_eq!(found.first_match, Some(4));
    let positions: Vec<usize> = found.nearest.iter().map(|miss| miss.position).collect();
    assert_eq!(positions, [1, 2]);
    assert_eq!(
        found.others,
        [(Field::Source, 1), (Field::SourcePort, 1)],
        "{found:?}"
    );

    let without = why(&rules[..4], &[], &packet(), 0);
    assert_eq!(without.first_match, None);
    assert!(without.nearest.is_empty());
    assert_eq!(
        without.others,
        [(Field::Source, 2), (Field::SourcePort, 2)],
        "{without:?}"
    );
}

#[test]
fn an_address_is_in_a_set_by_any_prefix_of_its_family() {
    let set =
        |texts: &[&str]| Set::new("s", texts.iter().map(|one| one.parse().unwrap()).collect());
    let is_in = |address: &str, texts: &[&str]| {
        let packet = Packet {
            source: address.parse().unwrap(),
            ..packet()
        };
        let sets = [Arc::new(set(texts))];
        let rule = RuleMatch {
            source: Some(Addresses {
                negated: false,
                prefixes: Vec::new(),
                sets: vec![0],
            }),
            ..RuleMatch::default()
        };
        Comparison::new(&packet, &sets).failing(&rule).is_empty()
    };
    let mixed = ["10.0.0.0/8", "10.1.2.3/32", "192.0.2.0/25", "2001:db8::/32"];
    assert!(is_in("10.255.0.1", &mixed) && is_in("192.0.2.127", &mixed));
    assert!(!is_in("11.0.0.1", &mixed) && !is_in("192.0.2.128", &mixed));
    assert!(is_in("2001:db8:1::", &mixed) && !is_in("2001:db9::", &mixed));
    assert!(is_in("1.2.3.4", &["0.0.0.0/0"]) && !is_in("1.2.3.4", &["::/0"]));
    assert!(is_in("::1", &["::/0"]) && !is_in("::1", &["0.0.0.0/0"]));
    assert!(is_in("10.1.2.3", &["::ffff:10.0.0.0/104"]) && !is_in("10.1.2.3", &[]));
}

fn random_rule() -> impl Strategy<Value = Arc<Rule>> {
    let address = option::weighted(0.5, (any::<bool>(), 0_u8..4, 8_u8..=32)).prop_map(|given| {
        given.map(|(negated, byte, length)| {
            let address = IpAddr::from([10, byte, 0, 0]);
            let prefix = ipnet::IpNet::new(address, length).unwrap().trunc();
            Addresses {
                negated,
                prefixes: vec![prefix],
                sets: Vec::new(),
            }
        })
    });
    let port = option::weighted(0.5, (any::<bool>(), 0_u16..4));
    let port = port.prop_map(|given| {
        given.map(|(negated, first)| Accepts {
            negated,
            any_of: vec![Range { first, last: 3 }],
        })
    });
    (address, port.clone(), port).prop_map(|(source, source_port, destination_port)| {
        rule(RuleMatch {
            source,
            source_port,
            destination_port,
            ..RuleMatch::default()
        })
    })
}

proptest! {
    #[test]
    fn the_first_match_has_no_failing_field_and_every_rule_before_it_is_named_or_counted_once(
        rules in vec(random_rule(), 0..40),
        byte in 0_u8..4,
        ports in (0_u16..4, 0_u16..4),
        limit in 0_usize..12,
    ) {
        let packet = Packet {
            source: IpAddr::from([10, byte, 0, 1]),
            source_port: Some(ports.0),
            destination_port: Some(ports.1),
            ..packet()
        };
        let found = why(&rules, &[], &packet, limit);
        let comparison = Comparison::new(&packet, &[]);
        let end = found.first_match.unwrap_or(rules.len());
        for (position, rule) in rules.iter().enumerate().take(end) {
            prop_assert!(!comparison.failing(&rule.matches).is_empty(), "{position}");
        }
        if let Some(position) = found.first_match {
            prop_assert!(comparison.failing(&rules[position].matches).is_empty());
        }
        let counted: usize = found.others.iter().map(|(_, rules)| rules).sum();
        prop_assert_eq!(found.nearest.len() + counted, end);
        prop_assert_eq!(found.nearest.len(), end.min(limit));
        for miss in &found.nearest {
            let rule = &rules[miss.position];
            prop_assert!(miss.position < end);
            prop_assert_eq!(comparison.failing(&rule.matches), miss.failing);
        }
        // No rule that is not named came closer than one that is.
        let farthest = found.nearest.iter().map(|miss| miss.failing.count()).max();
        let named = |position: &usize| found.nearest.iter().any(|miss| miss.position == *position);
        for position in (0..end).filter(|position| !named(position)) {
            let failing = comparison.failing(&rules[position].matches).count();
            prop_assert!(farthest.is_none_or(|farthest| failing >= farthest));
        }
    }
}
