//! The compiled rules against their plain meaning, on the host.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stormbolt_control::compile::{CompileError, covers};
use stormbolt_control::policy::{Action, Rule, RuleMatch};
use stormbolt_ebpf::classify::{Arrival, classify};
use stormbolt_ebpf::parse::{Headers, parse};
use stormbolt_tests::host_tables::HostTables;
use stormbolt_tests::policies::{INTERFACES, rules};
use stormbolt_tests::random::Random;
use stormbolt_tests::samples::{aimed_at, rule_for};
use stormbolt_tests::tables::{counter_of, of_rules};
use stormbolt_tests::{reference, samples::Sample};

const PACKETS_A_POLICY: u64 = 500;

/// The tables of these rules; `None` where they split the fields into too many parts.
fn host(rules: &[Rule]) -> Option<HostTables> {
    match of_rules(rules, &INTERFACES, 1) {
        Ok(tables) => {
            let mut host = HostTables::new(0, 0);
            host.policy = Some(tables);
            Some(host)
        }
        Err(CompileError::TooManyBitmaps { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The counter of the rule that the stages find.
fn found(host: &HostTables, headers: &Headers, arrival: Arrival) -> Option<u32> {
    let header = host.policy.as_ref().expect("a policy is installed").header;
    let rule = classify(&header, host, headers, arrival).expect("no table is missing");
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
    let result = runner.run(&policies_and_seeds, |(rules, seed)| {
        let Some(host) = host(&rules) else {
            return Err(TestCaseError::reject("too many bitmaps"));
        };
        let mut random = Random::of(seed);
        for _ in 0..PACKETS_A_POLICY {
            let Sample { headers, arrival } = aimed_at(&rules, &mut random);
            let expected = reference::first_match(&rules, &INTERFACES, &headers, arrival);
            let found = found(&host, &headers, arrival);
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
        longest.set(longest.get().max(rules.len()));
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
        let sample = aimed_at(&[], &mut random);
        let rules = [rule_for(&sample, Action::Pass)];
        let host = host(&rules).expect("one rule fits");
        let hit = found(&host, &sample.headers, sample.arrival);
        assert_eq!(hit, Some(counter_of(0)), "{number}: {sample:?}");
        for other in beside(&sample) {
            let miss = found(&host, &other.headers, other.arrival);
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
    let mut sample = aimed_at(&[], &mut Random::of(2));
    sample.arrival.length = 16_383;
    let host = host(&[rule_for(&sample, Action::Pass)]).expect("one rule fits");
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
            found(&host, &sample.headers, arrival).is_some(),
            matches,
            "{length}"
        );
    }
}

#[test]
fn a_prefix_means_the_same_to_the_compiler_and_to_the_reference() {
    let mut runner = TestRunner::deterministic();
    let result = runner.run(&(rules(), any::<u64>()), |(rules, seed)| {
        let mut random = Random::of(seed);
        let nets = rules
            .iter()
            .flat_map(|rule| rule.matches.source.clone().unwrap_or_default());
        for net in nets {
            let matches = RuleMatch {
                source: Some(vec![net]),
                ..RuleMatch::default()
            };
            let rule = [Rule {
                matches,
                name: String::new(),
                action: Action::Pass,
            }];
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
    let result = runner.run(&(rules(), any::<u64>()), |(rules, seed)| {
        let mut random = Random::of(seed);
        for _ in 0..50 {
            let (sample, frame) = aimed_at(&rules, &mut random).frame(3_000);
            prop_assert_eq!(parse(&frame[..]), Ok(sample.headers));
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
