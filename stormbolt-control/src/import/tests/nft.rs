//! The output of nft.

use super::{noted, options, texts, untranslated};
use crate::import::{Imported, nft};
use crate::policy::{Accepts, Range, Rule, TcpFlagsMatch};

const SAMPLE: &str = include_str!("samples/ruleset.nft");

fn input(rule: &str) -> Imported {
    nft(
        &format!(
            "table inet f {{\nchain i {{\ntype filter hook input priority 0;\n{rule}\n}}\n}}\n"
        ),
        &options(),
    )
}

fn one(rule: &str) -> Rule {
    let imported = input(rule);
    assert_eq!(untranslated(&imported), [], "{rule}");
    imported.policy.rules.first().unwrap().as_ref().clone()
}

/// Number of the line of the sample that has the text.
fn line(text: &str) -> usize {
    SAMPLE.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn a_listed_rule_set_is_translated_and_the_rest_reported_by_line() {
    let imported = nft(SAMPLE, &options());
    let lines: Vec<_> = untranslated(&imported)
        .iter()
        .map(|(line, _)| *line)
        .collect();
    let expected = [
        "map verdicts",
        "ct state",
        "limit rate",
        "vmap",
        "oifname",
        "log prefix",
        "jump other",
        "tcp dport 99",
    ];
    assert_eq!(lines, expected.map(line));
    for note in [
        "hook input",
        "iifname \"lo\"",
        "ct state",
        "ip6 nexthdr",
        "reject",
        "meta length",
    ] {
        assert!(noted(&imported).contains(&line(note)), "{note}");
    }
    assert_eq!(imported.policy.rules.len(), 22);
    let sets: Vec<_> = imported
        .policy
        .sets
        .iter()
        .map(|set| set.name.as_str())
        .collect();
    assert_eq!(sets, ["office", "block6"]);
    let office = texts(&imported.policy.sets[0].prefixes);
    assert!(
        office.contains(&"198.51.100.32/29".to_owned()),
        "{office:?}"
    );
    let interfaces = imported
        .policy
        .interfaces
        .iter()
        .map(|interface| interface.name.as_str());
    assert_eq!(interfaces.collect::<Vec<_>>(), ["eth0", "eth1"]);
}

#[test]
fn flags_have_the_meaning_of_nft() {
    let flags = |text: &str| {
        one(&format!("tcp flags {text} drop"))
            .matches
            .tcp_flags
            .unwrap()
    };
    let expect = |negated, mask, set| TcpFlagsMatch { negated, mask, set };
    assert_eq!(flags("syn"), expect(true, 0x02, 0));
    assert_eq!(flags("syn,ack"), expect(true, 0x12, 0));
    assert_eq!(flags("== syn"), expect(false, 0xff, 0x02));
    assert_eq!(flags("!= syn"), expect(true, 0xff, 0x02));
    assert_eq!(flags("! syn,rst"), expect(false, 0x06, 0));
    assert_eq!(flags("syn / syn,ack"), expect(false, 0x12, 0x02));
    assert_eq!(flags("!= syn / syn,ack"), expect(true, 0x12, 0x02));
    assert_eq!(flags("& (syn|ack) == syn"), expect(false, 0x12, 0x02));
    assert_eq!(
        flags("& (fin | syn) == fin | syn"),
        expect(false, 0x03, 0x03)
    );
    assert_eq!(flags("& rst != 0"), expect(true, 0x04, 0));
}

#[test]
fn numbers_can_be_compared() {
    let ports = |text: &str| {
        one(&format!("tcp dport {text} drop"))
            .matches
            .destination_port
            .unwrap()
    };
    let range = |first, last| vec![Range { first, last }];
    assert_eq!(ports(">= 1024"), Accepts::any_of(range(1024, u16::MAX)));
    assert_eq!(ports("< 1024"), Accepts::none_of(range(1024, u16::MAX)));
    assert_eq!(ports("> 80"), Accepts::none_of(range(0, 80)));
    assert_eq!(ports("!= 80-90"), Accepts::none_of(range(80, 90)));
}

#[test]
fn everything_but_an_ipv4_prefix_is_still_ipv4_only() {
    let rule = one("ip saddr != 10.0.0.0/8 drop");
    assert!(rule.matches.source.unwrap().negated);
    assert_eq!(
        texts(&rule.matches.destination.unwrap().prefixes),
        ["0.0.0.0/0"]
    );
}

#[test]
fn what_has_no_counterpart_is_named() {
    for (rule, reason) in [
        ("ct state new accept", "single packets"),
        ("tcp dport http accept", "`http` is not a port number"),
        ("ip saddr @missing drop", "no set `missing`"),
        ("ip saddr & 255.0.0.255 == 1.0.0.1 drop", "without masks"),
        ("ip saddr . tcp dport { 1.2.3.4 . 80 } drop", "joined"),
        ("iifname \"ppp*\" drop", "many interfaces"),
        ("udplite dport 5 drop", "TCP, UDP and SCTP"),
        ("icmp type echo-request tcp dport 5 drop", "two protocols"),
        ("counter packets 1 bytes 2", "no verdict"),
    ] {
        let imported = input(rule);
        let found = untranslated(&imported);
        assert!(
            matches!(found[..], [(4, text)] if text.contains(reason)),
            "{rule}: {found:?}"
        );
    }
}
