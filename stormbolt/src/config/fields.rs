//! What the match fields of a rule mean.

use std::collections::BTreeSet;

use stormbolt_common::classifier::MAX_LENGTH;
use stormbolt_common::limits::MAX_CPUS;
use stormbolt_control::policy::{Accepts, CpuSet, FragmentMatch, Range, TcpFlagsMatch};
use toml::Spanned;

use super::diagnostic::{Problem, Problems, did_you_mean};
use super::negation::accepts;
use super::numbers::{Numbers, refuse_empty, text, word};
use super::section::{Field, List, Scalar};

/// Protocol numbers with a meaning of their own here.
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;
pub(super) const SCTP: u8 = 132;

/// Names of IP protocols, after IANA's registry; of several names the first is written.
pub(super) const PROTOCOLS: &[(&str, u16)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// Names of code points (RFC 2474, 2597, 3246, 5865, 8622); of several names the first is written.
pub(super) const DSCP: &[(&str, u16)] = &[
    ("cs0", 0),
    ("be", 0),
    ("df", 0),
    ("le", 1),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("va", 44),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
];

/// TCP flags from the lowest bit up (RFC 9293 section 3.1).
pub(super) const TCP_FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

pub(super) const ICMP_TYPES: &[(&str, u16)] = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
];
pub(super) const ICMPV6_TYPES: &[(&str, u16)] = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("router-solicitation", 133),
    ("router-advertisement", 134),
    ("neighbor-solicitation", 135),
    ("neighbor-advertisement", 136),
    ("redirect", 137),
];

pub(super) fn ports(list: &List, problems: &mut Problems) -> Accepts<Range<u16>> {
    let example = "a number, a range \"9000-9100\" or a list of them";
    let numbers = Numbers {
        what: "port",
        max: u16::MAX,
        names: &[],
        example,
    };
    accepts(list, problems, |list, problems| {
        numbers.ranges(list, problems)
    })
}

pub(super) fn dscp(list: &List, problems: &mut Problems) -> Accepts<Range<u8>> {
    let example = "a number from 0 to 63, a name like \"ef\" or \"af41\", or a range";
    let numbers = Numbers {
        what: "DSCP",
        max: 63,
        names: DSCP,
        example,
    };
    accepts(list, problems, |list, problems| {
        numbers.ranges(list, problems)
    })
}

pub(super) fn vlans(list: &List, problems: &mut Problems) -> Accepts<Range<u16>> {
    let example = "a number, a range \"100-199\" or a list of them";
    let numbers = Numbers {
        what: "VLAN",
        max: 4095,
        names: &[],
        example,
    };
    accepts(list, problems, |list, problems| {
        numbers.ranges(list, problems)
    })
}

pub(super) fn lengths(list: &List, problems: &mut Problems) -> Accepts<Range<u16>> {
    let example = "bytes of the frame, like \"64-128\"";
    let max = u16::try_from(MAX_LENGTH).unwrap_or(u16::MAX);
    let numbers = Numbers {
        what: "length",
        max,
        names: &[],
        example,
    };
    accepts(list, problems, |list, problems| {
        numbers.ranges(list, problems)
    })
}

/// `protocol` is what the rule says about it; names of types depend on that.
pub(super) fn icmp_types(
    list: &List,
    protocol: Option<&Accepts<u8>>,
    problems: &mut Problems,
) -> Accepts<Range<u8>> {
    let only = protocol
        .filter(|protocol| !protocol.negated)
        .map(|protocol| protocol.any_of.as_slice());
    let (names, example) = match only {
        Some([ICMP]) => (ICMP_TYPES, "a number or a name like \"echo-request\""),
        Some([ICMPV6]) => (ICMPV6_TYPES, "a number or a name like \"echo-request\""),
        _ => (
            [].as_slice(),
            "a number; names need `protocol = \"icmp\"` or `protocol = \"icmpv6\"`, which number \
             their types differently",
        ),
    };
    let numbers = Numbers {
        what: "ICMP type",
        max: 255,
        names,
        example,
    };
    accepts(list, problems, |list, problems| {
        numbers.ranges(list, problems)
    })
}

pub(super) fn protocols(list: &List, problems: &mut Problems) -> Accepts<u8> {
    let numbers = Numbers {
        what: "protocol",
        max: 255,
        names: PROTOCOLS,
        example: "a name like \"tcp\" or a number",
    };
    accepts(list, problems, |list, problems| {
        let ranges = numbers.ranges::<u8>(list, problems);
        let each = ranges
            .into_iter()
            .flat_map(|range| range.first..=range.last);
        each.collect()
    })
}

/// `syn,!ack`: the flags named must be set, those with `!` must not, the others do not matter.
/// `!(syn,!ack)`: all packets but those.
pub(super) fn tcp_flags(field: &Field, problems: &mut Problems) -> Option<TcpFlagsMatch> {
    let given = text("tcp-flags", field, problems)?.trim();
    let inner = given
        .strip_prefix("!(")
        .and_then(|rest| rest.strip_suffix(')'));
    let mut flags = TcpFlagsMatch {
        negated: inner.is_some(),
        mask: 0,
        set: 0,
    };
    for item in inner.unwrap_or(given).split(',') {
        let item = item.trim();
        let name = item.strip_prefix('!').unwrap_or(item);
        let Some(index) = TCP_FLAGS.iter().position(|flag| *flag == name) else {
            let help = format!(
                "the flags are {}; `!` asks for a clear one, `!(syn,!ack)` for all packets but \
                 those",
                TCP_FLAGS.join(", ")
            );
            let problem = Problem::error(field.span(), format!("`{name}` is not a TCP flag"));
            problems.add(problem.help(help).help_if(did_you_mean(name, TCP_FLAGS)));
            return None;
        };
        let bit = 1_u8 << index;
        if flags.mask & bit != 0 {
            let message = format!("TCP flag `{name}` is given twice");
            problems.add(Problem::error(field.span(), message));
            return None;
        }
        flags.mask |= bit;
        if name == item {
            flags.set |= bit;
        }
    }
    Some(flags)
}

pub(super) fn fragments(list: &List, problems: &mut Problems) -> Accepts<FragmentMatch> {
    accepts(list, problems, |list, problems| {
        refuse_empty(list, problems);
        let fields = list.get_ref().iter();
        fields
            .filter_map(|field| fragment(field, problems))
            .collect()
    })
}

fn fragment(field: &Field, problems: &mut Problems) -> Option<FragmentMatch> {
    match field.get_ref() {
        Scalar::Flag(true) => Some(FragmentMatch::Any),
        Scalar::Flag(false) => Some(FragmentMatch::No),
        Scalar::Text(_) | Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Invalid => {
            word("fragment", field, FRAGMENTS, problems)
        }
    }
}

/// How the places in a datagram are written.
pub(super) const FRAGMENTS: &[(&str, FragmentMatch)] = &[
    ("no", FragmentMatch::No),
    ("first", FragmentMatch::First),
    ("later", FragmentMatch::Later),
    ("any", FragmentMatch::Any),
];

/// `0-1,3`, or a list of such.
pub(super) fn cpus(list: &List, problems: &mut Problems) -> Option<CpuSet> {
    if list.get_ref().is_empty() {
        let problem = Problem::error(list.span(), "a class needs at least one CPU");
        problems.add(problem.help("leave `cpus` out to process packets where they arrive"));
        return None;
    }
    let max = u16::try_from(MAX_CPUS - 1).unwrap_or(u16::MAX);
    let numbers = Numbers {
        what: "CPU",
        max,
        names: &[],
        example: "CPU numbers like \"0-1,3\"",
    };
    // The commas are split here, where they are usual; the messages point at the whole string.
    let split = list.get_ref().iter().flat_map(|field| {
        let items = match field.get_ref() {
            Scalar::Text(text) => text
                .split(',')
                .map(|item| Scalar::Text(item.trim().to_owned()))
                .collect(),
            Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) | Scalar::Invalid => {
                vec![field.get_ref().clone()]
            }
        };
        let span = field.span();
        items
            .into_iter()
            .map(move |item| Spanned::new(span.clone(), item))
    });
    let items = Spanned::new(list.span(), split.collect());
    let ranges = numbers.ranges::<u16>(&items, problems);
    let set: BTreeSet<u32> = ranges
        .into_iter()
        .flat_map(|range| u32::from(range.first)..=u32::from(range.last))
        .collect();
    Some(CpuSet(set)).filter(|set| !set.0.is_empty())
}
