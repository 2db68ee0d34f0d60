//! A rule's fields on one line, in the words of the policy file.

use std::fmt::Display;

use stormbolt_control::explain::Field;
use stormbolt_control::policy::{
    Accepts, Addresses, FragmentMatch, Policy, Range, RuleMatch, TcpFlagsMatch,
};

use crate::config::words::write_protocol;

/// Entries of a list that are written out.
const SHOWN: usize = 4;

/// Names of the TCP flags from the lowest bit up.
const TCP_FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

/// Writes the fields that a rule looks at; `any` for a rule that looks at none. Sets go by name.
pub(super) fn describe(matches: &RuleMatch, policy: &Policy) -> String {
    let given = Field::ALL.into_iter().filter_map(|field| {
        let accepted = accepted(field, matches, policy)?;
        Some(format!("{}={accepted}", field.key()))
    });
    let given: Vec<String> = given.collect();
    if given.is_empty() {
        "any".to_owned()
    } else {
        given.join(" ")
    }
}

/// Writes what a rule accepts of one field; `None` where it accepts everything.
pub(super) fn accepted(field: Field, matches: &RuleMatch, policy: &Policy) -> Option<String> {
    let interface_name = |position: &usize| match policy.interfaces.get(*position) {
        Some(interface) => interface.name.clone(),
        None => position.to_string(),
    };
    match field {
        Field::Source => addresses(matches.source.as_ref(), policy),
        Field::Destination => addresses(matches.destination.as_ref(), policy),
        Field::Protocol => list(matches.protocol.as_ref(), |number| write_protocol(*number)),
        Field::SourcePort => list(matches.source_port.as_ref(), range),
        Field::DestinationPort => list(matches.destination_port.as_ref(), range),
        Field::Dscp => list(matches.dscp.as_ref(), range),
        Field::Vlan => list(matches.vlan.as_ref(), range),
        Field::TcpFlags => matches.tcp_flags.map(tcp_flags),
        Field::Fragment => list(matches.fragment.as_ref(), |place| fragment_name(*place)),
        Field::IcmpType => list(matches.icmp_type.as_ref(), range),
        Field::Length => list(matches.length.as_ref(), range),
        Field::Interface => list(matches.interface.as_ref(), interface_name),
    }
}

fn addresses(addresses: Option<&Addresses>, policy: &Policy) -> Option<String> {
    let addresses = addresses?;
    let set_name = |position: &usize| match policy.sets.get(*position) {
        Some(set) => format!("@{}", set.name),
        None => format!("@{position}"),
    };
    let sets = addresses.sets.iter().map(set_name);
    let entries = sets.chain(addresses.prefixes.iter().map(ToString::to_string));
    let count = addresses.sets.len() + addresses.prefixes.len();
    Some(written(addresses.negated, entries, count))
}

fn list<T>(list: Option<&Accepts<T>>, write: impl Fn(&T) -> String) -> Option<String> {
    let list = list?;
    let entries = list.any_of.iter().map(write);
    Some(written(list.negated, entries, list.any_of.len()))
}

fn written(negated: bool, entries: impl Iterator<Item = String>, count: usize) -> String {
    let sign = if negated { "!" } else { "" };
    let more = count.saturating_sub(SHOWN);
    let entries = entries.take(SHOWN);
    let mut shown: Vec<String> = entries.map(|entry| format!("{sign}{entry}")).collect();
    if more > 0 {
        shown.push(format!("+{more}"));
    }
    if shown.is_empty() {
        format!("{sign}nothing")
    } else {
        shown.join(",")
    }
}

fn range<T: Display + PartialEq>(range: &Range<T>) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
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
            "src=!@office,!192.0.2.0/24 protocol=tcp,gre dst-port=!80,!8000-8100 tcp-flags=syn,!ack \
             fragment=!first interface=eth0"
        );
        assert_eq!(describe(&RuleMatch::default(), &policy), "any");
    }
}
