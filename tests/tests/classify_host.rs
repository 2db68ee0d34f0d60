//! The compiled rules against their plain meaning, on the host.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stormbolt_common::classifier::Fragment;
use stormbolt_common::ipv4_mapped;
use stormbolt_control::compile::{CompileError, covers};
use stormbolt_control::policy::{
    Accepts, Action, Addresses, Range, Rule, RuleMatch, Set, TcpFlagsMatch,
};
use stormbolt_ebpf::classify::{Arrival, classify, fill};
use stormbolt_ebpf::parse::{Headers, Ports, parse};
use stormbolt_ebpf::tables::Tables as _;
use stormbolt_tests::host_tables::HostTables;
use stormbolt_tests::policies::{INTERFACES, RuleList, rules, sets};
use stormbolt_tests::random::Random;
use stormbolt_tests::samples::{aimed_at, rule_for};
use stormbolt_tests::tables::{counter_of, of_rules};
use stormbolt_tests::{reference, samples::Sample};

const PACKETS_A_POLICY: u64 = 500;

/// The tables of these rules; `None` where they split the fields into too many parts.
fn host(list: &RuleList) -> Option<HostTables> {
    match of_rules(list, &INTERFACES, 2) {
        Ok(tables) => {
            let mut host = HostTables::new(0, 0);
            host.install(tables);
            Some(host)
        }
        Err(CompileError::OverBudget { .. } | CompileError::Entangled { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The counter of the rule that the stages find.
fn found(host: &mut HostTables, headers: &Headers, arrival: Arrival) -> Option<u32> {
    let header = host.policy().expect("a policy is installed");
    fill(host, &headers.into(), arrival);
    let rule = classify(&header, host).expect("no table is missing");
    rule.map(|rule| rule.counter)
}

#[test]
fn the_first_matching_rule_is_found() {
    let mut runner = TestRunner::new(Config {
        cases: 300,
        ..Config::default()
    });
    let (pairs, hits, longest) = (Cell::new(0_u64), Cell::new(0_u64), Cell::new(0));
    let policies_and_seeds = (rules(), any::<u64>());
    let result = runner.run(&policies_and_seeds, |(list, seed)| {
        let Some(mut host) = host(&list) else {
            return Err(TestCaseError::reject("the rules do not fit"));
        };
        let mut random = Random::of(seed);
        for _ in 0..PACKETS_A_POLICY {
            let Sample { headers, arrival } = aimed_at(&list, &mut random);
            let expected = reference::first_match(&list, &INTERFACES, &headers, arrival);
            let found = found(&mut host, &headers, arrival);
            prop_assert_eq!(
                found,
                expected.map(counter_of),
                "{:?} {:?}",
                headers,
                arrival
            );
            pairs.set(pairs.get() + 1);
            hits.set(hits.get() + u64::from(expected.is_some()));
        }
        longest.set(longest.get().max(list.rules.len()));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let (pairs, hits) = (pairs.get(), hits.get());
    eprintln!(
        "{pairs} packets, {hits} matched, longest policy {} rules",
        longest.get()
    );
    assert!(pairs >= 100_000);
    assert!(
        hits * 5 > pairs && hits < pairs,
        "the packets are not aimed well"
    );
}

#[test]
fn a_rule_with_exactly_a_packets_values_matches_it_and_no_packet_beside_it() {
    let mut random = Random::of(1);
    for number in 0..3_000 {
        let sample = aimed_at(&RuleList::default(), &mut random);
        let rules = RuleList::of(vec![rule_for(&sample, Action::Pass)]);
        let mut host = host(&rules).expect("one rule fits");
        let hit = found(&mut host, &sample.headers, sample.arrival);
        assert_eq!(hit, Some(counter_of(0)), "{number}: {sample:?}");
        for other in beside(&sample) {
            let miss = found(&mut host, &other.headers, other.arrival);
            assert_eq!(miss, None, "{number}: {sample:?} and {other:?}");
        }
    }
}

/// Packets that differ from `sample` in one field by one.
fn beside(sample: &Sample) -> Vec<Sample> {
    let changed = |change: &dyn Fn(&mut Sample)| {
        let mut other = *sample;
        change(&mut other);
        other
    };
    let mut others = vec![
        changed(&|other| other.headers.source[15] ^= 1),
        changed(&|other| other.headers.destination[12] ^= 0x80),
        changed(&|other| other.headers.protocol ^= 1),
        changed(&|other| other.headers.dscp ^= 1),
        changed(&|other| other.headers.vlan = other.headers.vlan.map(|vlan| vlan ^ 1)),
        changed(&|other| other.arrival.interface ^= 1),
        changed(&|other| {
            if let Some(ports) = &mut other.headers.ports {
                ports.destination ^= 1;
            }
        }),
        changed(&|other| {
            other.headers.tcp_flags = other.headers.tcp_flags.map(|flags| flags ^ 0x80);
        }),
        changed(&|other| {
            other.headers.icmp_type = other.headers.icmp_type.map(|number| number ^ 1);
        }),
    ];
    others.retain(|other| {
        other.headers != sample.headers || other.arrival.interface != sample.arrival.interface
    });
    others
}

#[test]
fn lengths_beyond_the_last_that_is_told_apart_count_as_that_one() {
    let mut sample = aimed_at(&RuleList::default(), &mut Random::of(2));
    sample.arrival.length = 16_383;
    let mut host =
        host(&RuleList::of(vec![rule_for(&sample, Action::Pass)])).expect("one rule fits");
    for (length, matches) in [
        (16_382, false),
        (16_383, true),
        (16_384, true),
        (65_535, true),
    ] {
        let arrival = Arrival {
            length,
            ..sample.arrival
        };
        assert_eq!(
            found(&mut host, &sample.headers, arrival).is_some(),
            matches,
            "{length}"
        );
    }
}

#[test]
fn a_prefix_means_the_same_to_the_compiler_and_to_the_reference() {
    let mut runner = TestRunner::deterministic();
    let result = runner.run(&(sets(), any::<u64>()), |(sets, seed)| {
        let mut random = Random::of(seed);
        for &net in sets.iter().flat_map(|set| &set.prefixes) {
            let matches = RuleMatch {
                source: Some(Addresses::within(vec![net])),
                ..RuleMatch::default()
            };
            let rule = RuleList::of(vec![Rule {
                matches,
                name: String::new(),
                action: Action::Pass,
            }]);
            for _ in 0..20 {
                let Sample { headers, arrival } = aimed_at(&rule, &mut random);
                let matches = reference::first_match(&rule, &INTERFACES, &headers, arrival);
                prop_assert_eq!(covers(net, &headers.source), matches.is_some());
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_frame_built_from_headers_is_parsed_into_these_headers() {
    let mut runner = TestRunner::deterministic();
    let result = runner.run(&(rules(), any::<u64>()), |(list, seed)| {
        let mut random = Random::of(seed);
        for _ in 0..50 {
            let (sample, frame) = aimed_at(&list, &mut random).frame(3_000);
            prop_assert_eq!(parse(&frame[..]), Ok(sample.headers));
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Whether the stages and the reference agree on this, about a rule that matches so.
fn takes(matches: RuleMatch, sets: &[Arc<Set>], headers: Headers) -> bool {
    let list = RuleList {
        rules: vec![Arc::new(Rule {
            name: String::new(),
            matches,
            action: Action::Pass,
        })],
        sets: sets.to_vec(),
    };
    let arrival = Arrival {
        interface: INTERFACES[0],
        length: 100,
    };
    let by_stages = found(&mut host(&list).expect("one rule fits"), &headers, arrival).is_some();
    let by_reference = reference::first_match(&list, &INTERFACES, &headers, arrival).is_some();
    assert_eq!(by_stages, by_reference, "{list:?} {headers:?}");
    by_stages
}

/// A UDP packet from this address.
fn from(source: &str) -> Headers {
    let mut headers = aimed_at(&RuleList::default(), &mut Random::of(3)).headers;
    headers.source = match source.parse().expect("an address") {
        IpAddr::V4(address) => ipv4_mapped(address.octets()),
        IpAddr::V6(address) => address.octets(),
    };
    Headers {
        protocol: 17,
        fragment: Fragment::Whole,
        ports: Some(Ports {
            source: 1,
            destination: 9000,
        }),
        tcp_flags: None,
        icmp_type: None,
        vlan: None,
        ..headers
    }
}

#[test]
fn all_but_a_prefix_is_all_of_the_other_family_too() {
    let nested = Set::new(
        "nested",
        ["10.0.0.0/8", "10.1.0.0/16"]
            .map(|text| text.parse().expect("a prefix"))
            .into(),
    );
    let empty = Set::new("empty", Vec::new());
    let sets = [nested, empty].map(Arc::new);
    let all_but = |prefixes: &[&str], sets: &[usize]| RuleMatch {
        source: Some(Addresses {
            negated: true,
            prefixes: prefixes
                .iter()
                .map(|text| text.parse().expect("a prefix"))
                .collect(),
            sets: sets.to_vec(),
        }),
        ..RuleMatch::default()
    };
    let takes = |prefixes: &[&str], of_sets: &[usize], source: &str| {
        takes(all_but(prefixes, of_sets), &sets, from(source))
    };
    for (source, taken) in [
        ("10.0.0.0", false),
        ("10.1.2.3", false),
        ("10.255.255.255", false),
        ("9.255.255.255", true),
        ("11.0.0.0", true),
        ("::", true),
        ("2001:db8::1", true),
    ] {
        assert_eq!(takes(&[], &[0], source), taken, "{source}");
        assert!(takes(&[], &[1], source), "all but nothing: {source}");
    }
    assert!(takes(&["::/0"], &[], "192.0.2.1"));
    assert!(!takes(&["::/0"], &[], "2001:db8::1"));
    assert!(takes(&["0.0.0.0/0"], &[], "2001:db8::1"));
    assert!(!takes(&["0.0.0.0/0"], &[], "192.0.2.1"));
    assert!(!takes(&["0.0.0.0/0", "::/0"], &[0], "192.0.2.1"));
}

#[test]
fn packets_without_a_field_match_no_rule_that_looks_at_it_negated_or_not() {
    fn none_of<T: Copy>(value: T) -> Accepts<Range<T>> {
        Accepts::none_of(vec![Range {
            first: value,
            last: value,
        }])
    }
    let udp = from("192.0.2.1");
    let later = Headers {
        fragment: Fragment::Later,
        ports: None,
        ..udp
    };
    let not_9000 = || RuleMatch {
        destination_port: Some(none_of(9000)),
        ..RuleMatch::default()
    };
    let not_9001 = || RuleMatch {
        destination_port: Some(none_of(9001)),
        ..RuleMatch::default()
    };
    assert!(!takes(not_9000(), &[], udp));
    assert!(takes(not_9001(), &[], udp));
    assert!(!takes(not_9000(), &[], later));

    let not_vlan_7 = || RuleMatch {
        vlan: Some(none_of(7)),
        ..RuleMatch::default()
    };
    let tagged = |vlan| Headers {
        vlan: Some(vlan),
        ..udp
    };
    assert!(!takes(not_vlan_7(), &[], udp));
    assert!(!takes(not_vlan_7(), &[], tagged(7)));
    assert!(takes(not_vlan_7(), &[], tagged(4095)));

    let not_syn = || RuleMatch {
        tcp_flags: Some(TcpFlagsMatch {
            negated: true,
            mask: 0x12,
            set: 0x02,
        }),
        ..RuleMatch::default()
    };
    let tcp = |flags| Headers {
        protocol: 6,
        tcp_flags: Some(flags),
        ..udp
    };
    assert!(!takes(not_syn(), &[], udp));
    assert!(!takes(not_syn(), &[], tcp(0x02)));
    assert!(takes(not_syn(), &[], tcp(0x12)));

    let not_echo = || RuleMatch {
        icmp_type: Some(none_of(8)),
        ..RuleMatch::default()
    };
    let icmp = |number| Headers {
        protocol: 1,
        ports: None,
        icmp_type: Some(number),
        ..udp
    };
    assert!(!takes(not_echo(), &[], udp));
    assert!(!takes(not_echo(), &[], icmp(8)));
    assert!(takes(not_echo(), &[], icmp(255)));
}
