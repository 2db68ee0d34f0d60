//! What `!` means in rules, and the messages about it.

use stormbolt_control::policy::{Accepts, FragmentMatch, Range, RuleMatch, TcpFlagsMatch};

use super::{around, one};
use crate::config::{parse, to_toml};

/// What a rule with these fields matches; it must come back from its export.
fn matches(fields: &str) -> RuleMatch {
    let set = "[set.office]\nprefixes = [\"10.0.0.0/8\"]\n";
    let text = around(&format!("{set}[[rule]]\nclass = \"bulk\"\n{fields}\n"));
    let policy = parse("p", &text)
        .unwrap_or_else(|error| panic!("{error}: {:?}", error.findings()))
        .policy;
    let again = parse("again", &to_toml(&policy)).unwrap().policy;
    assert_eq!(again, policy);
    policy.rules[0].matches.clone()
}

/// The finding about a rule that holds `fields`, from line 10 on.
fn rule(fields: &str) -> String {
    one(&format!("[[rule]]\nclass = \"bulk\"\n{fields}\n"))
}

#[test]
fn every_field_can_be_negated() {
    let of = matches(
        "src = \"!@office\"\ndst = [\"!192.0.2.1\", \"!2001:db8::/32\"]\n\
         dst-port = [\"!9000-9100\", \"!12000\"]\nsrc-port = \"!7\"\n\
         dscp = [\"!ef\", \"!af11-af13\"]\nvlan = \"!0-99\"\nlength = \"!64\"\n\
         interface = \"!eth0\"\nfragment = [\"!later\", \"!no\"]",
    );
    let range = |first, last| Range { first, last };
    let source = of.source.unwrap();
    assert!(source.negated && source.prefixes.is_empty() && source.sets == [0]);
    let destination = of.destination.unwrap();
    assert!(destination.negated && destination.prefixes.len() == 2 && destination.sets.is_empty());
    let ports = vec![range(9000, 9100), range(12000, 12000)];
    assert_eq!(of.destination_port, Some(Accepts::none_of(ports)));
    assert_eq!(of.source_port, Some(Accepts::none_of(vec![range(7, 7)])));
    assert!(
        of.dscp
            .is_some_and(|dscp| dscp.negated && dscp.any_of.len() == 2)
    );
    assert_eq!(of.vlan, Some(Accepts::none_of(vec![range(0, 99)])));
    assert_eq!(of.length, Some(Accepts::none_of(vec![range(64, 64)])));
    assert_eq!(of.interface, Some(Accepts::none_of(vec![0])));
    let places = vec![FragmentMatch::Later, FragmentMatch::No];
    assert_eq!(of.fragment, Some(Accepts::none_of(places)));

    let of = matches("protocol = [\"!tcp\", \"!17\"]\nicmp-type = \"!8\"");
    assert_eq!(of.protocol, Some(Accepts::none_of(vec![6, 17])));
    assert_eq!(
        of.icmp_type,
        Some(Accepts::none_of(vec![Range { first: 8, last: 8 }]))
    );
}

#[test]
fn tcp_flags_are_negated_one_by_one_or_all_together() {
    let flags = |negated, mask, set| Some(TcpFlagsMatch { negated, mask, set });
    assert_eq!(
        matches("tcp-flags = \"!ack\"").tcp_flags,
        flags(false, 0x10, 0)
    );
    assert_eq!(
        matches("tcp-flags = \"!(ack)\"").tcp_flags,
        flags(true, 0x10, 0x10)
    );
    assert_eq!(
        matches("tcp-flags = \"!(syn, !ack)\"").tcp_flags,
        flags(true, 0x12, 0x02)
    );
    let message = rule("tcp-flags = \"!(syn\"");
    assert!(
        message.starts_with("10:13: error: `(syn` is not a TCP flag"),
        "{message}"
    );
}

#[test]
fn a_mixture_is_refused_at_the_entry() {
    let help = "split it into two rules: one for what is meant, one for everything but what is not";
    assert_eq!(
        rule("dst-port = [\"!80\", 443]"),
        format!(
            "10:20: error: this entry does not begin with `!`, but others of the list do; {help} \
             [443]"
        )
    );
    assert_eq!(
        rule("src = [\"10.0.0.0/8\", \"::1\", \"!::2\"]"),
        format!(
            "10:29: error: this entry begins with `!`, but others of the list do not; {help} \
             [\"!::2\"]"
        )
    );
}

#[test]
fn what_is_behind_the_mark_is_checked_as_ever() {
    assert_eq!(
        rule("src = \"!@offic\"\n[set.office]\nprefixes = [\"10.0.0.0/8\"]"),
        "10:7: error: there is no set `offic`; did you mean `office`? [\"!@offic\"]"
    );
    assert_eq!(
        rule("vlan = \"!4096\""),
        "10:8: error: VLAN `4096` is not an integer from 0 to 4095 [\"!4096\"]"
    );
    assert_eq!(
        rule("protocol = \"!!tcp\""),
        "10:12: error: `!tcp` is not a valid protocol; did you mean `tcp`? [\"!!tcp\"]"
    );
}

#[test]
fn negated_fields_that_no_packet_has_together_are_refused() {
    assert_eq!(
        rule("protocol = \"!tcp\"\ntcp-flags = \"syn\""),
        "11:13: error: no other protocol has TCP flags, so the rule never matches [\"syn\"]"
    );
    assert_eq!(
        rule("fragment = [\"!no\", \"!first\"]\nsrc-port = 1"),
        "11:12: error: later fragments have no ports, so the rule never matches [1]"
    );
    // Other protocols have ports, and so have first fragments.
    matches("protocol = \"!tcp\"\ndst-port = 80\nfragment = \"!no\"");
}

#[test]
fn an_interface_whose_name_would_mean_all_others_is_refused() {
    assert_eq!(
        one("[interface.\"!x\"]\ncapacity = \"1Gbit\"\n"),
        "8:12: error: `!x` cannot be the name of an interface: rules would read it as every \
         interface but that; rename it with `ip link set` [\"!x\"]"
    );
}
