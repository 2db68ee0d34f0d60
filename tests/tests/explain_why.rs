//! Why a packet meets a rule, against the rules' plain meaning.

use std::net::Ipv6Addr;
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use stormbolt_control::explain::{Field, Packet, why};
use stormbolt_control::policy::{Action, Rule, RuleMatch};
use stormbolt_tests::policies::{INTERFACES, RuleList, rules};
use stormbolt_tests::random::Random;
use stormbolt_tests::reference;
use stormbolt_tests::samples::{Sample, aimed_at};

const POLICIES: usize = 300;
const PACKETS_A_POLICY: usize = 100;
const LIMIT: usize = 5;

fn packet_of(sample: &Sample) -> Packet {
    let Sample { headers, arrival } = sample;
    let address = |octets: [u8; 16]| Ipv6Addr::from(octets).to_canonical();
    let interface = INTERFACES
        .iter()
        .position(|number| *number == arrival.interface);
    Packet {
        source: address(headers.source),
        destination: address(headers.destination),
        source_port: headers.ports.map(|ports| ports.source),
        destination_port: headers.ports.map(|ports| ports.destination),
        protocol: headers.protocol,
        dscp: headers.dscp,
        vlan: headers.vlan,
        tcp_flags: headers.tcp_flags,
        fragment: headers.fragment,
        icmp_type: headers.icmp_type,
        length: arrival.length,
        interface: interface.expect("samples arrive on these"),
    }
}

/// Lets one field of a rule accept everything.
fn open(rule: &mut RuleMatch, field: Field) {
    match field {
        Field::Source => rule.source = None,
        Field::Destination => rule.destination = None,
        Field::Protocol => rule.protocol = None,
        Field::SourcePort => rule.source_port = None,
        Field::DestinationPort => rule.destination_port = None,
        Field::Dscp => rule.dscp = None,
        Field::Vlan => rule.vlan = None,
        Field::TcpFlags => rule.tcp_flags = None,
        Field::Fragment => rule.fragment = None,
        Field::IcmpType => rule.icmp_type = None,
        Field::Length => rule.length = None,
        Field::Interface => rule.interface = None,
    }
}

/// Whether a rule with these fields matches, by the reference.
fn matches(matches: RuleMatch, list: &RuleList, sample: &Sample) -> bool {
    let alone = RuleList {
        rules: vec![Arc::new(Rule {
            name: String::new(),
            matches,
            action: Action::Pass,
        })],
        sets: list.sets.clone(),
    };
    reference::first_match(&alone, &INTERFACES, &sample.headers, sample.arrival).is_some()
}

/// The failing fields of a rule are those that match no packet alone, and without them it matches.
fn check_fields(rule: &RuleMatch, failing: &[Field], list: &RuleList, sample: &Sample) {
    for field in Field::ALL {
        let mut alone = rule.clone();
        let others = Field::ALL.into_iter().filter(|other| *other != field);
        others.for_each(|other| open(&mut alone, other));
        let accepts = matches(alone, list, sample);
        assert_eq!(
            accepts,
            !failing.contains(&field),
            "{field:?} of {rule:?} for {sample:?}"
        );
    }
    let mut without = rule.clone();
    for field in failing {
        open(&mut without, *field);
    }
    assert!(
        !failing.is_empty() && matches(without, list, sample),
        "{rule:?} {failing:?} {sample:?}"
    );
}

#[test]
fn the_first_match_and_every_failing_field_are_those_of_the_reference() {
    let mut runner = TestRunner::deterministic();
    let mut random = Random::of(11);
    let (mut hits, mut packets, mut misses) = (0, 0, 0);
    for _ in 0..POLICIES {
        let list = rules()
            .new_tree(&mut runner)
            .expect("the strategy rejects nothing")
            .current();
        for _ in 0..PACKETS_A_POLICY {
            let sample = aimed_at(&list, &mut random);
            let found = why(&list.rules, &list.sets, &packet_of(&sample), LIMIT);
            let expected =
                reference::first_match(&list, &INTERFACES, &sample.headers, sample.arrival);
            assert_eq!(found.first_match, expected, "{sample:?} {list:?}");
            hits += usize::from(expected.is_some());
            packets += 1;
            for miss in &found.nearest {
                let failing: Vec<Field> = miss.failing.iter().collect();
                let rule = &list.rules[miss.position].matches;
                check_fields(rule, &failing, &list, &sample);
                misses += 1;
            }
        }
    }
    eprintln!("{packets} packets, {hits} matched, {misses} near misses");
    assert!(hits * 5 > packets && hits < packets && misses > packets);
}
