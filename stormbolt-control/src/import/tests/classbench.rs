//! Filter sets of ClassBench.

use super::{options, texts, untranslated};
use crate::import::{Options, classbench};
use crate::policy::{Accepts, Action, Range, TcpFlagsMatch};

const SAMPLE: &str = include_str!("samples/filters.txt");

#[test]
fn filters_become_rules_and_the_others_are_reported_by_line() {
    let imported = classbench(SAMPLE, &options());
    let lines: Vec<_> = untranslated(&imported)
        .iter()
        .map(|(line, _)| *line)
        .collect();
    assert_eq!(lines, [7, 8, 9, 10, 11]);
    let rules = &imported.policy.rules;
    assert_eq!(rules.len(), 4);
    let first = &rules[0].matches;
    assert_eq!(
        texts(&first.source.as_ref().unwrap().prefixes),
        ["103.59.36.74/32"]
    );
    assert_eq!(first.source_port, None);
    let port = Range {
        first: 1526,
        last: 1526,
    };
    assert_eq!(first.destination_port, Some(Accepts::any_of(vec![port])));
    assert_eq!(first.protocol, Some(Accepts::any_of(vec![6])));
    let ack = TcpFlagsMatch {
        negated: false,
        mask: 0x10,
        set: 0x10,
    };
    assert_eq!(first.tcp_flags, Some(ack));
    assert_eq!(rules[1].matches.source, None);
    assert_eq!(
        texts(&rules[1].matches.destination.as_ref().unwrap().prefixes),
        ["10.0.0.0/8"]
    );
    let registered = Range {
        first: 1024,
        last: u16::MAX,
    };
    assert_eq!(
        rules[2].matches.source_port,
        Some(Accepts::any_of(vec![registered]))
    );
    let not_syn = TcpFlagsMatch {
        negated: false,
        mask: 0x02,
        set: 0,
    };
    assert_eq!(rules[3].matches.tcp_flags, Some(not_syn));
}

#[test]
fn a_filter_for_every_packet_of_one_version_leaves_the_other_alone() {
    let imported = classbench("@::/0 ::/0 0 : 65535 0 : 65535 0x00/0x00", &options());
    let source = imported.policy.rules[0].matches.source.as_ref().unwrap();
    assert_eq!(texts(&source.prefixes), ["::/0"]);
}

#[test]
fn filters_are_spread_over_classes_in_turn() {
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let imported = classbench(
        SAMPLE,
        &Options {
            classes,
            ..options()
        },
    );
    let actions: Vec<_> = imported
        .policy
        .rules
        .iter()
        .map(|rule| rule.action)
        .collect();
    assert_eq!(actions, [0, 1, 2, 0].map(Action::Class));
    assert_eq!(imported.policy.default_class, 3);
}
