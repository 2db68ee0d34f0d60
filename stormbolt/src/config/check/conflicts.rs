//! Fields of a rule that no packet has together.

use stormbolt_control::policy::{Accepts, FragmentMatch, RuleMatch};

use crate::config::diagnostic::{Problem, Problems, Span};
use crate::config::document::RuleEntry;
use crate::config::fields::{self, ICMP, ICMPV6, SCTP, TCP, UDP};
use crate::config::section::List;

/// A field that only some protocols carry.
struct Carried {
    span: Span,
    what: &'static str,
    by: &'static [u8],
}

/// Fields that contradict each other, so that the rule can never match.
pub(super) fn conflicts(entry: &RuleEntry, matches: &RuleMatch, problems: &mut Problems) {
    let ports = entry
        .source_port
        .as_ref()
        .or(entry.destination_port.as_ref());
    let carried = [
        ports.map(|list| (list.span(), "ports", [TCP, UDP, SCTP].as_slice())),
        entry
            .tcp_flags
            .as_ref()
            .map(|field| (field.span(), "TCP flags", [TCP].as_slice())),
        entry
            .icmp_type
            .as_ref()
            .map(|list| (list.span(), "ICMP types", [ICMP, ICMPV6].as_slice())),
    ];
    let carried: Vec<Carried> = carried
        .into_iter()
        .flatten()
        .map(|(span, what, by)| Carried { span, what, by })
        .collect();
    for field in &carried {
        if let (Some(list), Some(protocols)) = (&entry.protocol, &matches.protocol) {
            check_protocols(field, list, protocols, problems);
        }
        let later = matches.fragment.as_ref().is_some_and(is_later_only);
        if let Some(fragment) = entry.fragment.as_ref().filter(|_| later) {
            let message = format!(
                "later fragments have no {}, so the rule never matches",
                field.what
            );
            let problem = Problem::error(field.span.clone(), message);
            problems.add(problem.also(fragment.span(), "only later fragments"));
        }
    }
    for (index, one) in carried.iter().enumerate() {
        for other in carried.iter().skip(index + 1) {
            if one.by.iter().all(|protocol| !other.by.contains(protocol)) {
                let message = format!(
                    "no packet has both {} and {}, so the rule never matches",
                    one.what, other.what
                );
                let problem = Problem::error(other.span.clone(), message).label(other.what);
                problems.add(problem.also(one.span.clone(), one.what));
            }
        }
    }
}

/// Whether no packet is accepted that has the transport header.
fn is_later_only(list: &Accepts<FragmentMatch>) -> bool {
    use FragmentMatch::{Any, First, Later, No};
    let lists = |place| list.any_of.contains(&place);
    if list.negated {
        lists(No) && (lists(First) || lists(Any))
    } else {
        list.any_of.iter().all(|place| *place == Later)
    }
}

fn check_protocols(field: &Carried, list: &List, protocols: &Accepts<u8>, problems: &mut Problems) {
    let what = field.what;
    if protocols.negated {
        let is_excluded = |protocol: &u8| protocols.any_of.contains(protocol);
        if field.by.iter().all(is_excluded) {
            let message = format!("no other protocol has {what}, so the rule never matches");
            let problem = Problem::error(field.span.clone(), message);
            problems.add(problem.also(list.span(), "the protocols that are left out"));
        }
        return;
    }
    let protocols = &protocols.any_of;
    let Some(first) = protocols
        .iter()
        .find(|protocol| !field.by.contains(protocol))
    else {
        return;
    };
    let name = fields::PROTOCOLS
        .iter()
        .find(|(_, number)| *number == u16::from(*first));
    let name = name.map_or_else(
        || format!("protocol {first}"),
        |(name, _)| (*name).to_owned(),
    );
    if protocols.iter().any(|protocol| field.by.contains(protocol)) {
        let message = format!("{name} packets have no {what}, so the rule never matches them");
        let problem = Problem::warning(list.span(), message);
        problems.add(problem.also(field.span.clone(), format!("the {what}")));
    } else {
        let message = format!("{name} packets have no {what}, so the rule never matches");
        let problem = Problem::error(field.span.clone(), message);
        problems.add(problem.also(list.span(), "the protocol"));
    }
}
