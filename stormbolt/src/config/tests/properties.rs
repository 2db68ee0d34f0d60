//! No text makes the reader panic, and what is exported is read back.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use stormbolt_control::policy::{
    Accepts, Action, Addresses, Class, CpuSet, Failsafe, FailsafeMode, FragmentMatch, Group, Law,
    Malformed, Management, Policy, Range, Rule, RuleMatch, Set, TcpFlagsMatch,
};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::class_parts::{per_source, treatment};
use super::table_wishes::tables;
use crate::config::{parse, parse_rule, render, rule_to_toml, to_toml};

mod interfaces;

use interfaces::interfaces;

const EXAMPLE: &str = include_str!("../../../../docs/examples/game-server.toml");
pub(super) const CAPACITY: u64 = 100_000_000_000;
const SETS: usize = 3;

/// Pieces that mean something in a policy, so that mutations get past the syntax.
const PIECES: &[&str] = &[
    "[class.a]",
    "[[rule]]",
    "[default]",
    "[set.a]",
    "[interface.b]",
    "\n",
    "\"",
    "[",
    "]",
    "{}",
    "= 5",
    "= true",
    "= []",
    "= 1979-05-27",
    "= -9223372036854775808",
    "= 1e400",
    "= 0xff",
    "= \"@a\"",
    "= \"0-99999999999999999999\"",
    "= \"1Gbit\"",
    "= \"::/0\"",
    "= \"ü\"",
    "version",
    "src ",
    "burst ",
    "= \"99999999999GiB\"",
    "cpus ",
    "[tables]\nflows ",
    "[group.g]\n",
    "group ",
    "parent ",
    "= \"g\"",
    "= \"-\"",
    "= \",\"",
    "= \"!\"",
    "= \"!@a\"",
    "= [\"!10-20\", 7]",
    "= \"!(syn)\"",
    "= '''\n::1 # x\n10.0.0.1/8'''",
    "file = \"/etc/passwd\"",
    "\r",
    "\u{1b}",
];

fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0_usize..12, select(PIECES));
    vec(edit, 1..8).prop_map(|edits| {
        let mut characters: Vec<char> = EXAMPLE.chars().collect();
        for (at, removed, piece) in edits {
            let at = at.index(characters.len());
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, piece.chars());
        }
        characters.into_iter().collect()
    })
}

/// Lines of a valid document with values swapped for others.
fn assignments() -> impl Strategy<Value = String> {
    let lines: Vec<&str> = EXAMPLE
        .lines()
        .filter(|line| line.contains(" = "))
        .collect();
    let keys: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(" = ").next())
        .collect();
    vec((select(keys), select(PIECES)), 1..6).prop_map(|lines| {
        let lines: Vec<_> = lines
            .iter()
            .map(|(key, value)| format!("{key} {value}\n"))
            .collect();
        format!(
            "{EXAMPLE}\n[[rule]]\n{}[class.x]\n{}",
            lines.concat(),
            lines.concat()
        )
    })
}

fn is_harmless(text: &str) {
    let error = match parse("policy.toml", text) {
        Ok(loaded) => {
            let again = parse("export.toml", &to_toml(&loaded.policy));
            assert_eq!(again.unwrap().policy, loaded.policy);
            assert!(
                loaded
                    .warnings
                    .findings()
                    .iter()
                    .all(|finding| finding.line >= 1)
            );
            return;
        }
        Err(error) => error,
    };
    assert!(!error.findings().is_empty());
    for finding in error.findings() {
        assert!(
            finding.line <= text.split('\n').count() && finding.column >= 1,
            "{finding:?}"
        );
    }
    assert!(!render(&error, false).contains('\u{1b}'));
    assert!(render(&error, true).contains("policy.toml"));
}

fn range<T: Ord + Copy + Arbitrary + 'static>(
    values: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Range<T>> {
    (values.clone(), values).prop_map(|(a, b)| Range {
        first: a.min(b),
        last: a.max(b),
    })
}

fn prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0..=32_u8)
        .prop_map(|(bits, length)| (IpAddr::from(Ipv4Addr::from_bits(bits)), length));
    // 2000::/3 only: IPv4 in IPv6 form is refused.
    let v6 = (any::<u128>(), 3..=128_u8).prop_map(|(bits, length)| {
        (
            IpAddr::from(Ipv6Addr::from_bits(bits >> 3 | 1 << 125)),
            length,
        )
    });
    prop_oneof![v4, v6].prop_map(|(address, length)| IpNet::new(address, length).unwrap().trunc())
}

/// A set for each name, seldom longer than a list that is written on one line.
fn sets() -> impl Strategy<Value = Vec<Arc<Set>>> {
    let set = (0..2_usize, vec(prefix(), 0..20)).prop_map(|(few, mut prefixes)| {
        prefixes.truncate(if few == 0 { 6 } else { 20 });
        prefixes
    });
    vec(set, SETS).prop_map(|sets| {
        let named = sets.into_iter().enumerate();
        named
            .map(|(number, prefixes)| Arc::new(Set::new(format!("set-{number}"), prefixes)))
            .collect()
    })
}

fn addresses() -> impl Strategy<Value = Option<Addresses>> {
    let set = select((0..SETS).collect::<Vec<_>>());
    let addresses = (
        any::<bool>(),
        btree_set(prefix(), 0..12),
        btree_set(set, 0..3),
    );
    let addresses = addresses.prop_filter_map("nothing is listed", |(negated, prefixes, sets)| {
        let listed = !prefixes.is_empty() || !sets.is_empty();
        listed.then(|| Addresses {
            negated,
            prefixes: prefixes.into_iter().collect(),
            sets: sets.into_iter().collect(),
        })
    });
    of(addresses)
}

/// Up to three entries, negated or not.
fn accepts<T: std::fmt::Debug>(
    entry: impl Strategy<Value = T>,
) -> impl Strategy<Value = Accepts<T>> {
    (any::<bool>(), vec(entry, 1..4)).prop_map(|(negated, any_of)| Accepts { negated, any_of })
}

/// Protocol, ports, flags, fragment and ICMP types, which restrict each other.
fn transport() -> impl Strategy<Value = RuleMatch> {
    let ports = || of(accepts(range(any::<u16>())));
    let tcp =
        (any::<bool>(), 1..=255_u8, any::<u8>()).prop_map(|(negated, mask, set)| TcpFlagsMatch {
            negated,
            mask,
            set: set & mask,
        });
    let places = select(vec![
        FragmentMatch::No,
        FragmentMatch::First,
        FragmentMatch::Later,
        FragmentMatch::Any,
    ]);
    prop_oneof![
        (
            ports(),
            ports(),
            of(Just(Accepts::any_of(vec![6_u8]))),
            of(tcp)
        )
            .prop_map(
                |(source_port, destination_port, protocol, tcp_flags)| RuleMatch {
                    source_port,
                    destination_port,
                    protocol,
                    tcp_flags,
                    ..RuleMatch::default()
                }
            ),
        (of(select(vec![1_u8, 58])), of(accepts(range(any::<u8>())))).prop_map(
            |(protocol, icmp_type)| RuleMatch {
                protocol: protocol.map(|protocol| Accepts::any_of(vec![protocol])),
                icmp_type,
                ..RuleMatch::default()
            }
        ),
        (of(accepts(any::<u8>())), of(accepts(places))).prop_map(|(protocol, fragment)| {
            RuleMatch {
                protocol,
                fragment,
                ..RuleMatch::default()
            }
        }),
    ]
}

fn rule_match(interfaces: usize) -> impl Strategy<Value = RuleMatch> {
    let frame = (
        of(accepts(range(0..=63_u8))),
        of(accepts(range(0..=4095_u16))),
        of(accepts(range(0..=16_383_u16))),
        of(accepts(0..interfaces)),
    );
    (addresses(), addresses(), transport(), frame).prop_map(
        |(source, destination, transport, (dscp, vlan, length, interface))| RuleMatch {
            source,
            destination,
            dscp,
            vlan,
            length,
            interface,
            ..transport
        },
    )
}

fn class(name: String) -> impl Strategy<Value = Class> {
    let rate = prop_oneof![Just(0), 8_000..CAPACITY / 8];
    let cpus = btree_set(0..1024_u32, 1..6).prop_map(CpuSet);
    let burst = 1_000_000..=10_000_000_000_u64;
    (
        0..=7_u8,
        rate,
        of(8_000..=CAPACITY),
        burst,
        1..=1000_u32,
        of(cpus),
        (of(per_source()), treatment()),
    )
        .prop_map(
            move |(priority, rate, ceil, burst, weight, cpus, (per_source, treatment))| Class {
                name: name.clone(),
                priority,
                rate: BitsPerSecond(rate),
                ceil: ceil.map(|ceil| BitsPerSecond(ceil.max(rate))),
                group: None,
                per_source,
                burst: Nanoseconds(burst),
                weight,
                cpus,
                treatment,
            },
        )
}

/// Classes in groups of two levels. Each group is guaranteed all that its members are, and has a ceil above
/// that or none.
fn grouped(classes: Vec<Class>) -> impl Strategy<Value = (Vec<Class>, Vec<Group>)> {
    let memberships = vec(of(0..4_usize), classes.len());
    let groups = vec((0..=7_u8, of(1..=CAPACITY), 1..=1000_u32), 4);
    (memberships, groups, 0..5_usize).prop_map(move |(memberships, groups, count)| {
        let mut classes = classes.clone();
        let named = groups.into_iter().take(count).enumerate();
        let mut groups: Vec<Group> = named
            .map(|(number, (priority, ceil, weight))| Group {
                name: format!("group.{number}"),
                // The first two groups are inside the last.
                parent: (number < 2 && count > 2).then_some(count - 1),
                priority,
                rate: BitsPerSecond::ZERO,
                ceil: ceil.map(BitsPerSecond),
                weight,
            })
            .collect();
        for (class, group) in classes.iter_mut().zip(memberships) {
            class.group = group.filter(|group| *group < count);
            let parent = class.group.and_then(|group| groups[group].parent);
            for group in class.group.into_iter().chain(parent) {
                groups[group].rate += class.rate;
            }
        }
        for group in &mut groups {
            group.ceil = group
                .ceil
                .map(|ceil| ceil.max(group.rate).max(BitsPerSecond(8_000)));
        }
        (classes, groups)
    })
}

fn distinct(
    pattern: &'static str,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(pattern, count)
}

fn management() -> impl Strategy<Value = Management> {
    let ports = vec(range(any::<u16>()), 1..4).prop_map(Accepts::any_of);
    (any::<bool>(), addresses(), addresses(), ports).prop_map(
        |(exempt, source, destination, ports)| Management {
            exempt,
            source,
            destination,
            ports,
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    let classes = distinct("[A-Za-z0-9_.-]{1,12}", 1..8)
        .prop_flat_map(|names| names.into_iter().map(class).collect::<Vec<_>>());
    (interfaces(), classes)
        .prop_flat_map(|(interfaces, classes)| {
            let action = prop_oneof![
                (0..classes.len()).prop_map(Action::Class),
                Just(Action::Pass),
                Just(Action::Drop),
                Just(Action::ShadowDrop)
            ];
            let name = of("[^\\x00-\\x1f\\x7f-\\u{9f}]{1,15}");
            let rules = vec((name, rule_match(interfaces.len()), action), 0..6);
            let malformed = select(vec![Malformed::Drop, Malformed::Pass]);
            let tables = tables();
            let mode = select(vec![
                FailsafeMode::Hold,
                FailsafeMode::Guaranteed,
                FailsafeMode::Open,
            ]);
            let interval = 10_000_000..=10_000_000_000_u64;
            let silence = 100_000_000..=3_000_000_000_000_u64;
            let law = select(&Law::ALL[..]);
            let default = 0..classes.len();
            (
                Just(interfaces),
                grouped(classes),
                sets(),
                rules,
                default,
                (malformed, tables, management()),
                (interval, mode, silence, any::<bool>(), law),
            )
        })
        .prop_map(
            |(
                interfaces,
                (classes, groups),
                sets,
                rules,
                default_class,
                (malformed, tables, management),
                (interval, mode, silence, shadow, law),
            )| {
                let rules =
                    rules
                        .into_iter()
                        .enumerate()
                        .map(|(index, (name, matches, action))| {
                            let number = index + 1;
                            let name = name.map_or_else(
                                || format!("rule {number}"),
                                // Names are unique.
                                |name| format!("{name}{number}"),
                            );
                            Rule {
                                name,
                                matches,
                                action,
                            }
                        });
                let rules = rules.map(Arc::new).collect();
                let interval = Nanoseconds(interval);
                Policy {
                    interval,
                    law,
                    failsafe: Failsafe {
                        mode,
                        after: Nanoseconds(interval.0 * 3 + silence),
                    },
                    shadow,
                    tables,
                    interfaces,
                    classes,
                    groups,
                    sets,
                    management,
                    rules,
                    default_class,
                    malformed,
                }
            },
        )
}

proptest! {
    #[test]
    fn what_is_exported_is_read_back(policy in policy()) {
        let text = to_toml(&policy);
        match parse("export.toml", &text) {
            Ok(loaded) => prop_assert_eq!(loaded.policy, policy),
            Err(error) => prop_assert!(false, "{}\n{}", render(&error, false), text),
        }
    }

    #[test]
    fn every_rule_is_read_back_on_its_own(policy in policy()) {
        for rule in &policy.rules {
            let text = rule_to_toml(&policy, rule);
            match parse_rule("rule", &text, &policy) {
                Ok((read, _)) => prop_assert_eq!(&read, rule),
                Err(error) => prop_assert!(false, "{}\n{}", render(&error, false), text),
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        is_harmless(&text);
        is_harmless(&format!("version = 1\n{text}"));
    }

    #[test]
    fn no_change_to_a_policy_makes_the_reader_panic(text in mutated()) {
        is_harmless(&text);
    }

    #[test]
    fn no_value_makes_the_reader_panic(text in assignments()) {
        is_harmless(&text);
    }
}
