//! `[management]`: what passes whatever the rules say.

use std::sync::Arc;

use stormbolt_control::policy::{Accepts, Management, Range, Rule};

use super::rules::Names;
use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::{ManagementEntry, RuleEntry};
use crate::config::fields::{self, TCP};
use crate::config::numbers::flag;

/// What is exempt.
pub(super) fn management(
    entry: &ManagementEntry,
    names: &mut Names<'_>,
    problems: &mut Problems,
) -> Management {
    let exempt = entry.exempt.as_ref();
    let exempt = exempt.and_then(|field| flag("exempt", field, problems));
    let ports = entry.ports.as_ref();
    let ports = ports.map(|list| {
        let ports = fields::ports(list, problems);
        if ports.negated {
            let problem = Problem::error(list.span(), "`ports` cannot begin with `!` here");
            problems.add(problem.help(
                "everything but some ports would be out of reach of every rule and rate; name \
                 those that you manage the machine by",
            ));
        }
        ports
    });
    let default = Management::default();
    Management {
        exempt: exempt.unwrap_or(default.exempt),
        source: names.addresses("src", entry.source.as_ref(), problems),
        destination: names.addresses("dst", entry.destination.as_ref(), problems),
        ports: ports.unwrap_or(default.ports),
    }
}

/// Rules that match nothing but what has passed before.
pub(super) fn warn_exempt(
    entries: &[RuleEntry],
    rules: &[Arc<Rule>],
    management: &Management,
    problems: &mut Problems,
) {
    let everywhere = management.source.is_none() && management.destination.is_none();
    if problems.failed() || !management.exempt || !everywhere {
        return;
    }
    let pairs = entries.iter().zip(rules);
    let mut never = pairs.filter(|(_, rule)| is_exempt(rule, &management.ports));
    let (Some((entry, rule)), others) = (never.next(), never.count()) else {
        return;
    };
    let names = match others {
        0 => format!("rule `{}` matches", rule.name),
        1 => format!("rule `{}` and another one match", rule.name),
        _ => format!("rule `{}` and {others} others match", rule.name),
    };
    let message = format!("{names} nothing: such packets are exempt from the rules");
    problems.add(Problem::warning(entry.span.clone(), message).help(
        "TCP to the ports of `[management]`, by default 22, passes before the first rule; name there \
         with `src` where you come from, or switch the exemption off with `exempt = false`",
    ));
}

fn is_exempt(rule: &Rule, ports: &Accepts<Range<u16>>) -> bool {
    let matches = &rule.matches;
    let is_tcp = matches.protocol.as_ref().is_some_and(|protocol| {
        !protocol.negated && protocol.any_of.iter().all(|number| *number == TCP)
    });
    let within = |range: &Range<u16>| {
        let exempt = ports.any_of.iter();
        exempt
            .clone()
            .any(|one| one.first <= range.first && range.last <= one.last)
    };
    let to_them = matches
        .destination_port
        .as_ref()
        .is_some_and(|given| !given.negated && given.any_of.iter().all(within));
    is_tcp && to_them
}
