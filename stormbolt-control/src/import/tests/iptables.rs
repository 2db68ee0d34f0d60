//! The output of iptables-save.

use super::{noted, options, texts, untranslated};
use crate::import::{Options, iptables};
use crate::policy::{Accepts, Action, Addresses, Range};

const SAMPLE: &str = include_str!("samples/saved.iptables");

fn one(rule: &str) -> crate::policy::RuleMatch {
    let text = format!("# iptables-save\n*filter\n{rule}\nCOMMIT\n");
    let imported = iptables(&text, &options());
    assert_eq!(untranslated(&imported), [], "{rule}");
    imported.policy.rules.first().unwrap().matches.clone()
}

#[test]
fn a_saved_rule_set_is_translated_and_the_rest_reported_by_line() {
    use Action::{Drop, Pass};

    let imported = iptables(SAMPLE, &options());
    let lines: Vec<_> = untranslated(&imported)
        .iter()
        .map(|(line, _)| *line)
        .collect();
    assert_eq!(lines, [7, 15, 20, 25, 26, 28, 29]);
    // Policy, loopback, lost accept, unknown set, length, reject.
    assert_eq!(noted(&imported), [10, 14, 15, 22, 24, 27]);
    let actions: Vec<_> = imported
        .policy
        .rules
        .iter()
        .map(|rule| rule.action)
        .collect();
    assert_eq!(
        actions,
        [
            Pass, Pass, Pass, Pass, Pass, Pass, Pass, Drop, Drop, Drop, Pass, Drop
        ]
    );
    assert_eq!(imported.policy.rules[0].name, "ssh from \"inside\"");
    assert_eq!(imported.policy.rules[1].name, "rule 2");
    let sets = &imported.policy.sets;
    assert_eq!(
        texts(&sets[0].prefixes),
        ["192.0.2.0/24", "198.51.100.7/32"]
    );
    assert_eq!(
        (sets[1].name.as_str(), sets[1].prefixes.len()),
        ("banned", 0)
    );
    assert_eq!(imported.policy.interfaces[0].name, "eth1");
}

#[test]
fn a_chain_that_is_jumped_to_has_the_conditions_of_the_jump() {
    let imported = iptables(SAMPLE, &options());
    let https = &imported.policy.rules[3].matches;
    let port = Range {
        first: 443,
        last: 443,
    };
    assert_eq!(https.destination_port, Some(Accepts::any_of(vec![port])));
    let low = Range {
        first: 0,
        last: 1023,
    };
    assert_eq!(https.source_port, Some(Accepts::none_of(vec![low])));
    assert_eq!(https.tcp_flags.unwrap().mask, 0x17);
}

#[test]
fn rules_of_one_version_of_ip_leave_the_other_alone() {
    let everything = |text: &str| Some(Addresses::within(vec![text.parse().unwrap()]));
    let imported = iptables(SAMPLE, &options());
    let smtp = imported.policy.rules.last().unwrap();
    assert_eq!(smtp.matches.source, everything("::/0"));
    let not_from = one("-A INPUT ! -s 10.0.0.0/8 -j DROP");
    assert_eq!(not_from.destination, everything("0.0.0.0/0"));
    // Both fields are taken: one of them says what it accepts instead.
    let neither = one("-A INPUT ! -s 128.0.0.0/1 ! -d 10.0.0.0/8 -j DROP");
    assert_eq!(neither.source, everything("0.0.0.0/1"));
    assert!(neither.destination.unwrap().negated);
}

#[test]
fn one_chain_can_be_chosen() {
    let chains = vec!["FORWARD".to_owned()];
    let text =
        "*filter\n-A INPUT -s 10.0.0.0/8 -m state --state NEW -j DROP\n-A FORWARD -p udp -j DROP\n";
    let imported = iptables(
        text,
        &Options {
            chains,
            ..options()
        },
    );
    assert_eq!(untranslated(&imported), []);
    assert_eq!(imported.policy.rules.len(), 1);
}

#[test]
fn rules_about_interfaces_that_are_not_managed_are_left_out() {
    let interfaces = vec!["eth0".to_owned()];
    let text = "*filter\n-A INPUT -s 10.0.0.0/8 -i eth1 -j DROP\n-A INPUT ! -i eth1 -j DROP\n";
    let imported = iptables(
        text,
        &Options {
            interfaces,
            ..options()
        },
    );
    assert_eq!(untranslated(&imported), []);
    assert_eq!(imported.policy.rules.len(), 1);
    assert_eq!(imported.policy.rules[0].matches.interface, None);
    assert_eq!(noted(&imported), [2]);
}

#[test]
fn lengths_are_those_of_frames_where_padding_does_not_hide_them() {
    let length = |text: &str| one(&format!("-A INPUT -m length --length {text} -j DROP")).length;
    let frames = |first, last| Some(Accepts::any_of(vec![Range { first, last }]));
    assert_eq!(length("0:100"), frames(0, 114));
    assert_eq!(length("47:65535"), frames(61, 16_383));
    let text = "*filter\n-A INPUT -s 1.2.3.4 -m length --length 30 -j DROP\n";
    assert_eq!(iptables(text, &options()).untranslated(), 1);
}
