//! A rule's fields on one line, in the words of the policy file.

use std::fmt::Display;

use stormbolt_control::policy::{FragmentMatch, Policy, Range, RuleMatch, TcpFlagsMatch};

/// Entries of a list that are written out.
const SHOWN: usize = 4;

/// Names of the TCP flags from the lowest bit up.
const TCP_FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

/// Writes the fields that a rule looks at; `any` for a rule that looks at none.
pub(super) fn describe(matches: &RuleMatch, policy: &Policy) -> String {
    let interface_name = |position: &usize| match policy.interfaces.get(*position) {
        Some(interface) => interface.name.clone(),
        None => position.to_string(),
    };
    let fields = [
        matches
            .source
            .as_ref()
            .map(|list| field("src", list.iter())),
        matches
            .destination
            .as_ref()
            .map(|list| field("dst", list.iter())),
        matches
            .protocol
            .as_ref()
            .map(|list| field("protocol", list.iter().copied().map(protocol_name))),
        matches
            .source_port
            .as_ref()
            .map(|list| field("src-port", list.iter().map(range))),
        matches
            .destination_port
            .as_ref()
            .map(|list| field("dst-port", list.iter().map(range))),
        matches
            .dscp
            .as_ref()
            .map(|list| field("dscp", list.iter().map(range))),
        matches
            .vlan
            .as_ref()
            .map(|list| field("vlan", list.iter().map(range))),
        matches
            .tcp_flags
            .map(|flags| format!("tcp-flags={}", tcp_flags(flags))),
        matches
            .fragment
            .map(|fragment| format!("fragment={}", fragment_name(fragment))),
        matches
            .icmp_type
            .as_ref()
            .map(|list| field("icmp-type", list.iter().map(range))),
        matches
            .length
            .as_ref()
            .map(|list| field("length", list.iter().map(range))),
        matches
            .interface
            .as_ref()
            .map(|list| field("interface", list.iter().map(interface_name))),
    ];
    let given: Vec<String> = fields.into_iter().flatten().collect();
    if given.is_empty() {
        "any".to_owned()
    } else {
        given.join(" ")
    }
}

fn field<T: Display>(name: &str, entries: impl ExactSizeIterator<Item = T>) -> String {
    let more = entries.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = entries.take(SHOWN).map(|entry| entry.to_string()).collect();
    if more > 0 {
        shown.push(format!("+{more}"));
    }
    let shown = if shown.is_empty() {
        "nothing".to_owned()
    } else {
        shown.join(",")
    };
    format!("{name}={shown}")
}

fn range<T: Display + PartialEq>(range: &Range<T>) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
    }
}

fn protocol_name(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        132 => "sctp".to_owned(),
        number => number.to_string(),
    }
}

fn tcp_flags(flags: TcpFlagsMatch) -> String {
    let looked_at = TCP_FLAGS
        .iter()
        .enumerate()
        .filter(|(bit, _)| flags.mask >> bit & 1 == 1);
    let written = looked_at.map(|(bit, name)| {
        let prefix = if flags.set >> bit & 1 == 1 { "" } else { "!" };
        format!("{prefix}{name}")
    });
    written.collect::<Vec<_>>().join(",")
}

const fn fragment_name(fragment: FragmentMatch) -> &'static str {
    match fragment {
        FragmentMatch::No => "no",
        FragmentMatch::First => "first",
        FragmentMatch::Later => "later",
        FragmentMatch::Any => "any",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_read_as_in_the_policy_file() {
        let policy = crate::config::parse(
            "p",
            "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.bulk]\n[default]\nclass = \"bulk\"\n",
        )
        .unwrap()
        .policy;
        let matches = RuleMatch {
            source: Some(vec!["192.0.2.0/24".parse().unwrap()]),
            protocol: Some(vec![6, 47]),
            destination_port: Some(vec![
                Range {
                    first: 80,
                    last: 80,
                },
                Range {
                    first: 8000,
                    last: 8100,
                },
            ]),
            tcp_flags: Some(TcpFlagsMatch {
                mask: 0x12,
                set: 0x02,
            }),
            interface: Some(vec![0]),
            ..RuleMatch::default()
        };
        assert_eq!(
            describe(&matches, &policy),
            "src=192.0.2.0/24 protocol=tcp,47 dst-port=80,8000-8100 tcp-flags=syn,!ack interface=eth0"
        );
        assert_eq!(describe(&RuleMatch::default(), &policy), "any");
    }
}
