//! A rule's fields on one line, in the words of the policy file.

use std::fmt::Display;

use stormbolt_control::policy::{
    Accepts, Addresses, FragmentMatch, Policy, Range, RuleMatch, TcpFlagsMatch,
};

/// Entries of a list that are written out.
const SHOWN: usize = 4;

/// Names of the TCP flags from the lowest bit up.
const TCP_FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

/// Writes the fields that a rule looks at; `any` for a rule that looks at none. Sets go by name.
pub(super) fn describe(matches: &RuleMatch, policy: &Policy) -> String {
    let interface_name = |position: &usize| match policy.interfaces.get(*position) {
        Some(interface) => interface.name.clone(),
        None => position.to_string(),
    };
    let fields = [
        addresses("src", matches.source.as_ref(), policy),
        addresses("dst", matches.destination.as_ref(), policy),
        field("protocol", matches.protocol.as_ref(), |number| {
            protocol_name(*number)
        }),
        field("src-port", matches.source_port.as_ref(), range),
        field("dst-port", matches.destination_port.as_ref(), range),
        field("dscp", matches.dscp.as_ref(), range),
        field("vlan", matches.vlan.as_ref(), range),
        matches
            .tcp_flags
            .map(|flags| format!("tcp-flags={}", tcp_flags(flags))),
        field("fragment", matches.fragment.as_ref(), |place| {
            fragment_name(*place)
        }),
        field("icmp-type", matches.icmp_type.as_ref(), range),
        field("length", matches.length.as_ref(), range),
        field("interface", matches.interface.as_ref(), interface_name),
    ];
    let given: Vec<String> = fields.into_iter().flatten().collect();
    if given.is_empty() {
        "any".to_owned()
    } else {
        given.join(" ")
    }
}

fn addresses(name: &str, addresses: Option<&Addresses>, policy: &Policy) -> Option<String> {
    let addresses = addresses?;
    let set_name = |position: &usize| match policy.sets.get(*position) {
        Some(set) => format!("@{}", set.name),
        None => format!("@{position}"),
    };
    let sets = addresses.sets.iter().map(set_name);
    let entries = sets.chain(addresses.prefixes.iter().map(ToString::to_string));
    let count = addresses.sets.len() + addresses.prefixes.len();
    Some(written(name, addresses.negated, entries, count))
}

fn field<T>(name: &str, list: Option<&Accepts<T>>, write: impl Fn(&T) -> String) -> Option<String> {
    let list = list?;
    let entries = list.any_of.iter().map(write);
    Some(written(name, list.negated, entries, list.any_of.len()))
}

fn written(
    name: &str,
    negated: bool,
    entries: impl Iterator<Item = String>,
    count: usize,
) -> String {
    let sign = if negated { "!" } else { "" };
    let more = count.saturating_sub(SHOWN);
    let entries = entries.take(SHOWN);
    let mut shown: Vec<String> = entries.map(|entry| format!("{sign}{entry}")).collect();
    if more > 0 {
        shown.push(format!("+{more}"));
    }
    let shown = if shown.is_empty() {
        format!("{sign}nothing")
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
    let written = written.collect::<Vec<_>>().join(",");
    if flags.negated {
        format!("!({written})")
    } else {
        written
    }
}

fn fragment_name(fragment: FragmentMatch) -> String {
    match fragment {
        FragmentMatch::No => "no",
        FragmentMatch::First => "first",
        FragmentMatch::Later => "later",
        FragmentMatch::Any => "any",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_read_as_in_the_policy_file() {
        let policy = crate::config::parse(
            "p",
            "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n[class.bulk]\n[default]\nclass = \"bulk\"\n[set.office]\nprefixes = []\n",
        )
        .unwrap()
        .policy;
        let matches = RuleMatch {
            source: Some(Addresses {
                negated: true,
                prefixes: vec!["192.0.2.0/24".parse().unwrap()],
                sets: vec![0],
            }),
            protocol: Some(Accepts::any_of(vec![6, 47])),
            destination_port: Some(Accepts::none_of(vec![
                Range {
                    first: 80,
                    last: 80,
                },
                Range {
                    first: 8000,
                    last: 8100,
                },
            ])),
            tcp_flags: Some(TcpFlagsMatch {
                negated: false,
                mask: 0x12,
                set: 0x02,
            }),
            fragment: Some(Accepts::none_of(vec![FragmentMatch::First])),
            interface: Some(Accepts::any_of(vec![0])),
            ..RuleMatch::default()
        };
        assert_eq!(
            describe(&matches, &policy),
            "src=!@office,!192.0.2.0/24 protocol=tcp,47 dst-port=!80,!8000-8100 tcp-flags=syn,!ack \
             fragment=!first interface=eth0"
        );
        assert_eq!(describe(&RuleMatch::default(), &policy), "any");
    }
}
