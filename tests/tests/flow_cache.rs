//! Flows that are remembered: what is said of them is what the rules say.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use stormbolt_common::classifier::Fragment;
use stormbolt_common::flow_cache::FlowLine;
use stormbolt_common::ipv4_mapped;
use stormbolt_control::policy::{Action, Rule, RuleMatch};
use stormbolt_ebpf::classify::{Arrival, classify_flow, fill};
use stormbolt_ebpf::parse::{Headers, Ports};
use stormbolt_ebpf::tables::{Rules as _, Tables as _};
use stormbolt_tests::host_tables::HostTables;
use stormbolt_tests::policies::{INTERFACES, RuleList, rules};
use stormbolt_tests::random::Random;
use stormbolt_tests::reference;
use stormbolt_tests::samples::{Sample, aimed_at};
use stormbolt_tests::tables::{counter_of, of_rules};

const POLICIES: u32 = 500;
const PACKETS_A_POLICY: u32 = 1000;
/// Flows that take turns.
const FLOWS: usize = 24;

const FRAGMENTS: [Fragment; 3] = [Fragment::Whole, Fragment::First, Fragment::Later];

/// The counter of the rule that the stages find.
fn found(host: &mut HostTables, sample: &Sample) -> Option<u32> {
    let header = host.policy().expect("a policy is installed");
    fill(host, &(&sample.headers).into(), sample.arrival);
    let rule = classify_flow(&header, host).expect("no table is missing");
    rule.map(|rule| rule.counter)
}

/// Changes one value.
fn mutate(sample: &mut Sample, random: &mut Random) {
    let Sample { headers, arrival } = sample;
    // No packet has one address of either family.
    let is_ipv4 = headers.source[..12] == ipv4_mapped([0; 4])[..12];
    let byte = if is_ipv4 {
        12 + random.index(4)
    } else {
        random.index(16)
    };
    match random.index(11) {
        0 => {
            headers.source[byte] ^= 1 << random.index(8);
        }
        1 => {
            headers.destination[byte] ^= 1 << random.index(8);
        }
        2 => {
            if let Some(ports) = &mut headers.ports {
                ports.source ^= 1 << random.index(16);
            }
        }
        3 => {
            if let Some(ports) = &mut headers.ports {
                ports.destination ^= 1 << random.index(16);
            }
        }
        4 => {
            let last = Ports {
                source: u16::MAX,
                destination: u16::MAX,
            };
            headers.ports = random.one_of(&[None, Some(last)]);
        }
        5 => headers.protocol = random.byte(),
        6 => headers.dscp ^= 1 << random.index(6),
        7 => headers.vlan = random.one_of(&[None, Some(0), Some(7), Some(4095)]),
        8 => headers.tcp_flags = random.one_of(&[None, Some(0), Some(2), Some(0x12), Some(255)]),
        9 => headers.icmp_type = random.one_of(&[None, Some(0), Some(8), Some(255)]),
        _ => match random.index(3) {
            0 => headers.fragment = random.one_of(&FRAGMENTS),
            1 => arrival.interface = random.one_of(&INTERFACES),
            _ => arrival.length ^= 1 << random.index(12),
        },
    }
}

/// Packets of few flows, some of which change a little: most are found in a cache with so many lines.
fn check(lines: usize, seed: u64) {
    let mut runner = TestRunner::deterministic();
    let mut random = Random::of(seed);
    let mut host = HostTables::new(0, seed);
    host.flow_lines = vec![FlowLine::default(); lines];
    let (mut policies, mut packets, mut known) = (0, 0_u32, 0_u32);
    let mut flows: Vec<Sample> = Vec::new();
    while policies < POLICIES {
        let tree = rules().new_tree(&mut runner);
        let list = tree.expect("the strategy rejects nothing").current();
        // Packets of the policy before come again under this one.
        let Ok(tables) = of_rules(&list, &INTERFACES, policies + 1) else {
            continue;
        };
        policies += 1;
        host.install(tables);
        flows.truncate(FLOWS / 2);
        while flows.len() < FLOWS {
            flows.push(aimed_at(&list, &mut random));
        }
        for _ in 0..PACKETS_A_POLICY {
            let flow = random.index(FLOWS);
            if random.chance(10) {
                mutate(&mut flows[flow], &mut random);
            }
            let sample = &flows[flow];
            let Sample { headers, arrival } = sample;
            let expected = reference::first_match(&list, &INTERFACES, headers, *arrival);
            let before = *host.flow_gauge();
            let found = found(&mut host, sample);
            assert_eq!(found, expected.map(counter_of), "{sample:?}\n{list:#?}");
            packets += 1;
            let gauge = *host.flow_gauge();
            let looked_up = gauge.left != before.left;
            known += u32::from(looked_up && gauge.missed == before.missed);
        }
    }
    eprintln!("{packets} packets, {known} known");
    assert!(
        known > packets / 8 && known < packets,
        "{known} of {packets}"
    );
}

#[test]
fn flows_that_are_known_meet_the_rule_that_they_would_meet() {
    check(32, 1);
}

#[test]
fn flows_that_drive_one_another_out_meet_the_rule_that_they_would_meet() {
    check(4, 2);
}

/// A policy that looks at ports and at one address, and a UDP packet.
fn policy_and_packet(host: &mut HostTables) -> Sample {
    let mut random = Random::of(3);
    let all = RuleList::of(vec![Rule {
        name: "all".to_owned(),
        matches: RuleMatch::default(),
        action: Action::Pass,
    }]);
    let mut sample = aimed_at(&all, &mut random);
    sample.headers = Headers {
        source: ipv4_mapped([10, 0, 0, 1]),
        destination: ipv4_mapped([10, 0, 0, 2]),
        ..sample.headers
    };
    sample.arrival = Arrival {
        interface: INTERFACES[0],
        length: 100,
    };
    let list = stormbolt_tests::samples::rule_for(&sample, Action::Drop);
    let tables = of_rules(&RuleList::of(vec![list]), &INTERFACES, 1).expect("it fits");
    host.install(tables);
    sample
}

/// A packet of the flow with this number.
fn ipv4_flow(sample: &Sample, number: u32) -> Sample {
    let mut sample = *sample;
    let [a, b, c, d] = number.to_be_bytes();
    sample.headers.source = ipv4_mapped([a | 64, b, c, d]);
    sample
}

/// Likewise of an IPv6 flow.
fn ipv6_flow(sample: &Sample, number: u32) -> Sample {
    let mut sample = ipv4_flow(sample, number);
    sample.headers.source[0] = 0x20;
    sample
}

/// Lets a flow come that was never there.
fn new_flow(host: &mut HostTables, sample: &Sample, number: u32) {
    found(host, &ipv4_flow(sample, number));
}

#[test]
fn a_flood_of_new_flows_is_looked_up_for_a_while_only() {
    let mut host = HostTables::new(0, 9);
    let sample = policy_and_packet(&mut host);
    host.flow_lines = vec![FlowLine::default(); 1 << 15];
    for number in 0..200_000 {
        new_flow(&mut host, &sample, number);
    }
    let before = host.flow_lines.clone();
    for number in 200_000..216_000 {
        new_flow(&mut host, &sample, number);
    }
    let written = before
        .iter()
        .zip(&host.flow_lines)
        .filter(|(old, new)| old != new);
    let written = written.count();
    // A sixteenth is looked up, and where no place is left an eighth of that takes one.
    assert!(
        (100..700).contains(&written),
        "{written} lines were written"
    );
}

#[test]
fn when_a_flood_is_over_flows_are_known_again() {
    let mut host = HostTables::new(0, 9);
    let sample = policy_and_packet(&mut host);
    host.flow_lines = vec![FlowLine::default(); 1 << 15];
    for number in 0..200_000 {
        new_flow(&mut host, &sample, number);
    }
    for _ in 0..64 {
        for number in 0..4096 {
            new_flow(&mut host, &sample, number);
        }
    }
    let before = host.flow_gauge().missed;
    for number in 0..1024 {
        new_flow(&mut host, &sample, number);
    }
    // Some may still wait for a place that other flows have.
    let missed = host.flow_gauge().missed - before;
    assert!(missed <= 10, "{missed} missed");
}

/// How many of a thousand packets are not known when so many flows have come again and again.
fn missed_per_mille(host: &mut HostTables, flows: u32, packet: impl Fn(u32) -> Sample) -> u32 {
    let mut missed = 0;
    for pass in 0..64 {
        let before = host.flow_gauge().missed;
        for number in 0..flows {
            found(host, &packet(number));
        }
        if pass == 63 {
            missed = host.flow_gauge().missed.wrapping_sub(before);
        }
    }
    missed * 1000 / flows
}

#[test]
fn flows_of_a_few_packets_are_known_among_others_that_have_ended() {
    let mut host = HostTables::new(0, 9);
    let sample = policy_and_packet(&mut host);
    host.flow_lines = vec![FlowLine::default(); 1 << 10];
    // Ten packets each, of a hundred flows at a time; ever others.
    for first in (0..100_000).step_by(100) {
        for _ in 0..10 {
            for number in first..first + 100 {
                new_flow(&mut host, &sample, number);
            }
        }
    }
    let gauge = host.flow_gauge();
    assert_eq!(gauge.is_sampling, 0);
    assert!(gauge.missed <= gauge.looked_up / 4, "{gauge:?}");
}

#[test]
fn half_as_many_flows_as_there_is_room_for_are_known_but_for_a_few() {
    let mut host = HostTables::new(0, 9);
    let sample = policy_and_packet(&mut host);
    host.flow_lines = vec![FlowLine::default(); 1 << 13];
    let missed = missed_per_mille(&mut host, 1 << 13, |number| ipv4_flow(&sample, number));
    assert!(missed < 60, "{missed}");
    // An IPv6 flow takes the room of two.
    host.flow_lines.fill(FlowLine::default());
    let missed = missed_per_mille(&mut host, 1 << 12, |number| ipv6_flow(&sample, number));
    assert!(missed < 15, "{missed}");
}

#[test]
fn flows_that_came_during_a_flood_are_found_at_the_first_look_before_long() {
    let mut host = HostTables::new(0, 9);
    let sample = policy_and_packet(&mut host);
    host.flow_lines = vec![FlowLine::default(); 1 << 10];
    // Lines that are looked at for a hundred packets, each of another flow.
    let mut round = |first: u32| {
        let before = host.flow_lines_read;
        for number in first..first + 100 {
            found(&mut host, &ipv6_flow(&sample, number));
        }
        host.flow_lines_read - before
    };
    for first in (1000..20_000).step_by(100) {
        round(first);
    }
    for _ in 0..8 {
        round(0);
    }
    let after_the_flood = round(0);
    for _ in 0..200 {
        round(0);
    }
    let later = round(0);
    assert!(after_the_flood > 250, "{after_the_flood}");
    assert!(later < 150, "{later}");
}

#[test]
fn one_flow_with_nearly_all_packets_is_known_again_after_a_flood() {
    let mut host = HostTables::new(0, 9);
    let sample = policy_and_packet(&mut host);
    host.flow_lines = vec![FlowLine::default(); 1 << 15];
    for number in 0..200_000 {
        new_flow(&mut host, &sample, number);
    }
    // Until every part of the lines has had its turn.
    let mut number = 200_000;
    for _ in 0..200_000 {
        number += 1;
        new_flow(&mut host, &sample, number);
        for _ in 0..12 {
            found(&mut host, &sample);
        }
    }
    let gauge = host.flow_gauge();
    assert_eq!(gauge.is_sampling, 0);
    assert!(gauge.missed <= gauge.looked_up / 10, "{gauge:?}");
}
