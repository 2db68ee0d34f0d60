//! The messages about typical mistakes in sets and rules, and what their values mean.

use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_common::limits::MAX_CLASSES;
use stormbolt_control::policy::{
    Accepts, Action, FragmentMatch, PerSource, Policy, Range, Set, TcpFlagsMatch,
};

use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::{around, one};
use crate::config::parse;

/// The finding about a rule that holds `fields`, from line 10 on.
fn rule(fields: &str) -> String {
    one(&format!("[[rule]]\nclass = \"bulk\"\n{fields}\n"))
}

fn policy(extra: &str) -> Policy {
    parse("policy.toml", &around(extra))
        .unwrap_or_else(|error| panic!("{error}"))
        .policy
}

#[test]
fn addresses_and_sets_are_explained() {
    assert_eq!(
        rule("src = \"@offic\"\n[set.office]\nprefixes = [\"10.0.0.0/8\"]"),
        "10:7: error: there is no set `offic`; did you mean `office`? [\"@offic\"]"
    );
    assert_eq!(
        rule("src = \"10.0.0.0/33\""),
        "10:7: error: `10.0.0.0/33` is not an address or a prefix; `33` is not a prefix length \
         from 0 to 32 [\"10.0.0.0/33\"]"
    );
    assert_eq!(
        rule("dst = \"192.0.2.1/24\""),
        "10:7: warning: prefix `192.0.2.1/24` has host bits set; it is read as `192.0.2.0/24`; \
         write that, or the address alone [\"192.0.2.1/24\"]"
    );
    assert_eq!(
        rule("dst = \"::ffff:10.0.0.0/104\""),
        "10:7: error: `::ffff:10.0.0.0/104` is an IPv4 prefix in IPv6 form; write `10.0.0.0/8` \
         [\"::ffff:10.0.0.0/104\"]"
    );
    assert_eq!(
        rule("src = []"),
        "10:7: error: the list is empty, so nothing would match; leave the key out to match \
         everything [[]]"
    );
    assert_eq!(
        one("[set.a]\nprefixes = [\"10.0.0.0/8\"]\n"),
        "8:6: warning: set `a` is never used; rules refer to it as `src = \"@a\"` or \
         `dst = \"@a\"` [a]"
    );
}

#[test]
fn numbers_and_names_are_explained() {
    assert_eq!(
        rule("dst-port = [80, 70000]"),
        "10:17: error: port `70000` is not an integer from 0 to 65535 [70000]"
    );
    assert_eq!(
        rule("dst-port = \"80,443\""),
        "10:12: error: `80,443` is not a valid port; write a list: [\"80\", \"443\"] [\"80,443\"]"
    );
    assert_eq!(
        rule("dst-port = \"90-80\""),
        "10:12: error: range `90-80` ends before it begins; write \"80-90\" [\"90-80\"]"
    );
    assert_eq!(
        rule("protocol = \"tpc\""),
        "10:12: error: `tpc` is not a valid protocol; did you mean `tcp`? [\"tpc\"]"
    );
    assert_eq!(
        rule("dscp = \"ef1\""),
        "10:8: error: `ef1` is not a valid DSCP; did you mean `ef`? [\"ef1\"]"
    );
    assert_eq!(
        rule("vlan = 4096"),
        "10:8: error: VLAN `4096` is not an integer from 0 to 4095 [4096]"
    );
    assert_eq!(
        rule("tcp-flags = \"syn,akc\""),
        "10:13: error: `akc` is not a TCP flag; did you mean `ack`? [\"syn,akc\"]"
    );
    assert_eq!(
        rule("fragment = \"some\""),
        "10:12: error: `fragment` cannot be `some`; it is one of \"no\", \"first\", \"later\", \
         \"any\" [\"some\"]"
    );
    assert_eq!(
        rule("icmp-type = \"echo-request\""),
        "10:13: error: `echo-request` is not a valid ICMP type; write a number; names need \
         `protocol = \"icmp\"` or `protocol = \"icmpv6\"`, which number their types differently \
         [\"echo-request\"]"
    );
    assert_eq!(
        rule("interface = \"eth1\""),
        "10:13: error: interface `eth1` is not configured; did you mean `eth0`? [\"eth1\"]"
    );
}

#[test]
fn fields_that_no_packet_has_together_are_refused() {
    assert_eq!(
        rule("protocol = \"icmp\"\ndst-port = 80"),
        "11:12: error: icmp packets have no ports, so the rule never matches [80]"
    );
    assert_eq!(
        rule("protocol = [\"tcp\", \"icmp\"]\ndst-port = 80"),
        "10:12: warning: icmp packets have no ports, so the rule never matches them \
         [[\"tcp\", \"icmp\"]]"
    );
    assert_eq!(
        rule("protocol = \"tcp\"\nicmp-type = 8"),
        "11:13: error: tcp packets have no ICMP types, so the rule never matches [8]"
    );
    assert_eq!(
        rule("protocol = 17\ntcp-flags = \"syn\""),
        "11:13: error: udp packets have no TCP flags, so the rule never matches [\"syn\"]"
    );
    assert_eq!(
        rule("fragment = \"later\"\nsrc-port = 1"),
        "11:12: error: later fragments have no ports, so the rule never matches [1]"
    );
    assert_eq!(
        rule("icmp-type = 1\nsrc-port = 1"),
        "10:13: error: no packet has both ports and ICMP types, so the rule never matches [1]"
    );
}

#[test]
fn rules_have_one_action_one_name_and_can_be_reached() {
    assert_eq!(
        one("[[rule]]\nsrc = \"::1\"\n"),
        "8:1: error: the rule does nothing; give it `class = \"NAME\"` or `action = \"pass\"` or \
         \"drop\" [[[rule]]]"
    );
    assert_eq!(
        rule("action = \"drop\""),
        "10:10: error: the rule has both `class` and `action`; leave one of them out [\"drop\"]"
    );
    assert_eq!(
        one("[[rule]]\nsrc = \"::1\"\nclass = \"blk\"\n"),
        "10:9: error: there is no class `blk`; did you mean `bulk`? [\"blk\"]"
    );
    assert_eq!(
        rule("name = \"rule 2\"\n[[rule]]\nsrc = \"::1\"\nclass = \"bulk\""),
        "11:1: error: two rules are named `rule 2` [[[rule]]]"
    );
    assert_eq!(
        rule("[[rule]]\nsrc = \"::1\"\nclass = \"bulk\""),
        "10:1: warning: rule `rule 2` is unreachable; put it last, or use `[default]` instead \
         [[[rule]]]"
    );
    assert_eq!(
        one("[class.a]\n"),
        "8:8: warning: class `a` is never used; no rule puts packets into it, and it is not the \
         default [a]"
    );
}

#[test]
fn too_many_entries_are_refused() {
    let classes: Vec<_> = (0..MAX_CLASSES)
        .map(|number| format!("[class.c{number}]\n"))
        .collect();
    let message = one(&classes.concat());
    assert!(
        message.contains("entries of kind `class`, but at most 131072"),
        "{message}"
    );
}

#[test]
fn fields_of_rules_mean_what_the_reference_says() {
    let policy = policy(
        "[set.a]\nprefixes = [\"10.0.0.1\", \"10.0.0.1/32\", \"2001:db8::/32\"]\n[[rule]]\n\
         name = \"all\"\nsrc = [\"@a\", \"192.0.2.0/24\"]\ndst-port = [\"9000-9100\", 12]\n\
         protocol = [\"udp\", 6]\ndscp = [\"ef\", \"af11-af13\", \"0-1\"]\nvlan = \"0-4095\"\n\
         fragment = false\nlength = 64\ninterface = \"eth0\"\naction = \"pass\"\n[[rule]]\n\
         tcp-flags = \"syn, !ack\"\nfragment = \"first\"\nclass = \"bulk\"\n[[rule]]\n\
         protocol = \"icmpv6\"\nicmp-type = [\"echo-request\", 1]\naction = \"drop\"\n",
    );
    let [all, flags, icmp] = policy.rules.as_slice() else {
        panic!("three rules")
    };
    let texts = |nets: &[IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
    let set = Set::new(
        "a",
        vec![
            "10.0.0.1/32".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ],
    );
    assert_eq!(policy.sets, [Arc::new(set)]);
    let source = all.matches.source.as_ref().unwrap();
    assert_eq!(
        (source.negated, source.sets.as_slice()),
        (false, [0].as_slice())
    );
    assert_eq!(texts(&source.prefixes), ["192.0.2.0/24"]);
    let one = |value| Range {
        first: value,
        last: value,
    };
    let range = |first, last| Range { first, last };
    assert_eq!(
        all.matches.destination_port,
        Some(Accepts::any_of(vec![range(9000, 9100), one(12)]))
    );
    assert_eq!(all.matches.protocol, Some(Accepts::any_of(vec![17, 6])));
    let dscp = vec![
        Range {
            first: 46,
            last: 46,
        },
        Range {
            first: 10,
            last: 14,
        },
    ];
    assert_eq!(all.matches.dscp.as_ref().unwrap().any_of[..2], dscp);
    assert_eq!(
        all.matches.fragment,
        Some(Accepts::any_of(vec![FragmentMatch::No]))
    );
    assert_eq!(all.matches.length, Some(Accepts::any_of(vec![one(64)])));
    assert_eq!(all.matches.interface, Some(Accepts::any_of(vec![0])));
    assert_eq!((all.name.as_str(), all.action), ("all", Action::Pass));
    assert_eq!(
        flags.matches.tcp_flags,
        Some(TcpFlagsMatch {
            negated: false,
            mask: 0x12,
            set: 0x02
        })
    );
    assert_eq!(
        (flags.name.as_str(), flags.action),
        ("rule 2", Action::Class(0))
    );
    let types = icmp.matches.icmp_type.clone().unwrap().any_of;
    assert_eq!(
        types.iter().map(|types| types.first).collect::<Vec<_>>(),
        [128, 1]
    );
}

#[test]
fn bursts_in_bytes_last_as_long_as_the_ceil_the_rate_or_the_link_says() {
    let burst = |fields: &str| {
        policy(&format!("[class.a]\nburst = \"1MB\"\n{fields}\n")).classes[1]
            .burst
            .0
    };
    assert_eq!(burst(""), 8_000_000);
    assert_eq!(burst("rate = \"10Mbit\""), 800_000_000);
    assert_eq!(burst("rate = \"10Mbit\"\nceil = \"80Mbit\""), 100_000_000);
    assert_eq!(policy("").classes[0].burst.0, 50_000_000);
}

#[test]
fn classes_and_interfaces_keep_the_order_of_the_file() {
    let policy = policy("[class.z]\n[class.a]\n[interface.a]\ncapacity = \"1Mbit\"\n");
    assert!(
        policy
            .classes
            .iter()
            .map(|class| class.name.as_str())
            .eq(["bulk", "z", "a"])
    );
    assert!(
        policy
            .interfaces
            .iter()
            .map(|link| link.name.as_str())
            .eq(["eth0", "a"])
    );
}

#[test]
fn what_each_source_of_a_class_may_have_is_read_with_its_defaults() {
    let per_source = |keys: &str| {
        policy(&format!(
            "[class.a]\n{keys}[[rule]]\nprotocol = \"udp\"\nclass = \"a\"\n"
        ))
        .classes[1]
            .per_source
    };
    assert_eq!(per_source(""), None);
    let by_default = PerSource {
        rate: BitsPerSecond(50_000_000),
        burst: Nanoseconds::from_millis(200),
        ipv4_prefix: 32,
        ipv6_prefix: 64,
    };
    assert_eq!(per_source("per-source = \"50Mbit\"\n"), Some(by_default));
    let given = per_source(
        "per-source = \"8kbit\"\nper-source-burst = \"20ms\"\nper-source-ipv4-prefix = 24\n\
         per-source-ipv6-prefix = 48\n",
    );
    let expected = PerSource {
        rate: BitsPerSecond(8_000),
        burst: Nanoseconds::from_millis(20),
        ipv4_prefix: 24,
        ipv6_prefix: 48,
    };
    assert_eq!(given, Some(expected));
}
