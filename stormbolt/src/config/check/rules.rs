//! `[[rule]]`

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use stormbolt_control::policy::{
    Accepts, Action, Addresses, Class, Interface, MANAGEMENT_RULE, Rule, RuleMatch,
};

use super::conflicts::conflicts;
use super::sets::Sets;
use crate::config::diagnostic::{Problem, Problems, Span, did_you_mean};
use crate::config::document::RuleEntry;
use crate::config::fields;
use crate::config::negation::accepts;
use crate::config::numbers::{refuse_empty, text, word};
use crate::config::section::List;

/// Longest name of a rule in bytes.
const MAX_NAME: usize = 63;

/// What the names in rules refer to, and which of them were used.
pub(super) struct Names<'a> {
    interfaces: &'a [Interface],
    classes: &'a [Class],
    /// Positions of classes by name: there may be a hundred thousand.
    class_positions: HashMap<&'a str, usize>,
    sets: &'a mut Sets,
    used_classes: BTreeSet<usize>,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        interfaces: &'a [Interface],
        classes: &'a [Class],
        sets: &'a mut Sets,
    ) -> Self {
        let names = classes.iter().map(|class| class.name.as_str());
        Self {
            interfaces,
            classes,
            class_positions: names.zip(0..).collect(),
            sets,
            used_classes: BTreeSet::new(),
        }
    }

    /// Position of a class, which counts as used from now on.
    pub(super) fn class(&mut self, name: &str, at: Span, problems: &mut Problems) -> Option<usize> {
        let Some(&index) = self.class_positions.get(name) else {
            let known = self.classes.iter().map(|class| class.name.as_str());
            let help = (!problems.is_full())
                .then(|| did_you_mean(name, known))
                .flatten();
            let problem = Problem::error(at, format!("there is no class `{name}`"));
            let problem = problem.help(format!("define it: `[class.{name}]`"));
            problems.add(problem.help_if(help));
            return None;
        };
        self.used_classes.insert(index);
        Some(index)
    }

    /// What `src` and `dst` take.
    pub(super) fn addresses(
        &mut self,
        key: &str,
        list: Option<&List>,
        problems: &mut Problems,
    ) -> Option<Addresses> {
        let list = list?;
        refuse_empty(list, problems);
        Some(self.sets.resolve(key, list, problems))
    }

    pub(super) fn used_classes(&self) -> &BTreeSet<usize> {
        &self.used_classes
    }

    fn interfaces(&self, list: &List, problems: &mut Problems) -> Accepts<usize> {
        accepts(list, problems, |list, problems| {
            self.positions(list, problems)
        })
    }

    fn positions(&self, list: &List, problems: &mut Problems) -> Vec<usize> {
        refuse_empty(list, problems);
        let mut positions = Vec::new();
        for field in list.get_ref() {
            let Some(name) = text("interface", field, problems) else {
                continue;
            };
            let known = || {
                self.interfaces
                    .iter()
                    .map(|interface| interface.name.as_str())
            };
            if let Some(position) = known().position(|known| known == name) {
                positions.push(position);
                continue;
            }
            let message = format!("interface `{name}` is not configured");
            let problem = Problem::error(field.span(), message);
            let help = format!("define it: `[interface.{name}]`");
            problems.add(problem.help(help).help_if(did_you_mean(name, known())));
        }
        positions
    }
}

/// All rules in the order of the file, one for each entry.
pub(super) fn rules(
    entries: &[RuleEntry],
    names: &mut Names<'_>,
    problems: &mut Problems,
) -> Vec<Arc<Rule>> {
    let mut rules = Vec::with_capacity(entries.len());
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let (name, at) = rule_name(index + 1, entry, problems);
        if let Some(earlier) = seen.get(&name) {
            let problem = Problem::error(at, format!("two rules are named `{name}`"));
            problems.add(problem.also(earlier.clone(), "the other one"));
        } else {
            seen.insert(name.clone(), at);
        }
        let matches = rule_match(entry, names, problems);
        conflicts(entry, &matches, problems);
        let action = action(entry, names, problems).unwrap_or(Action::Pass);
        rules.push(Arc::new(Rule {
            name,
            matches,
            action,
        }));
    }
    warn_unreachable(entries, &rules, problems);
    rules
}

/// The name of a rule, and where to point at it.
fn rule_name(number: usize, entry: &RuleEntry, problems: &mut Problems) -> (String, Span) {
    let unnamed = format!("rule {number}");
    let Some(field) = &entry.name else {
        return (unnamed, entry.span.clone());
    };
    let Some(name) = text("name", field, problems) else {
        return (unnamed, entry.span.clone());
    };
    if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control) {
        let problem = Problem::error(
            field.span(),
            format!("`{name}` cannot be the name of a rule"),
        );
        problems.add(problem.help("names have 1 to 63 bytes and no control characters"));
        return (unnamed, field.span());
    }
    if name == MANAGEMENT_RULE {
        let message = format!("`{name}` is the name of the rule that is built in");
        let problem = Problem::error(field.span(), message);
        problems.add(problem.help("take another; `[management]` says what that one exempts"));
    }
    (name.to_owned(), field.span())
}

fn rule_match(entry: &RuleEntry, names: &mut Names<'_>, problems: &mut Problems) -> RuleMatch {
    let mut addresses = |key, list: &Option<List>, problems: &mut Problems| {
        names.addresses(key, list.as_ref(), problems)
    };
    let source = addresses("src", &entry.source, problems);
    let destination = addresses("dst", &entry.destination, problems);
    let protocol = entry
        .protocol
        .as_ref()
        .map(|list| fields::protocols(list, problems));
    RuleMatch {
        source,
        destination,
        source_port: entry
            .source_port
            .as_ref()
            .map(|list| fields::ports(list, problems)),
        destination_port: entry
            .destination_port
            .as_ref()
            .map(|list| fields::ports(list, problems)),
        dscp: entry.dscp.as_ref().map(|list| fields::dscp(list, problems)),
        vlan: entry
            .vlan
            .as_ref()
            .map(|list| fields::vlans(list, problems)),
        tcp_flags: entry
            .tcp_flags
            .as_ref()
            .and_then(|field| fields::tcp_flags(field, problems)),
        fragment: entry
            .fragment
            .as_ref()
            .map(|list| fields::fragments(list, problems)),
        icmp_type: entry
            .icmp_type
            .as_ref()
            .map(|list| fields::icmp_types(list, protocol.as_ref(), problems)),
        length: entry
            .length
            .as_ref()
            .map(|list| fields::lengths(list, problems)),
        interface: entry
            .interface
            .as_ref()
            .map(|list| names.interfaces(list, problems)),
        protocol,
    }
}

fn action(entry: &RuleEntry, names: &mut Names<'_>, problems: &mut Problems) -> Option<Action> {
    match (&entry.class, &entry.action) {
        (Some(field), None) => {
            let name = text("class", field, problems)?;
            names.class(name, field.span(), problems).map(Action::Class)
        }
        (None, Some(field)) => {
            let words = [
                ("pass", Action::Pass),
                ("drop", Action::Drop),
                ("shadow-drop", Action::ShadowDrop),
            ];
            word("action", field, &words, problems)
        }
        (None, None) => {
            let problem = Problem::error(entry.span.clone(), "the rule does nothing");
            problems
                .add(problem.help("give it `class = \"NAME\"` or `action = \"pass\"` or \"drop\""));
            None
        }
        (Some(class), Some(action)) => {
            let problem = Problem::error(action.span(), "the rule has both `class` and `action`");
            problems.add(
                problem
                    .also(class.span(), "the class")
                    .help("leave one of them out"),
            );
            None
        }
    }
}

/// Rules behind one that matches everything.
fn warn_unreachable(entries: &[RuleEntry], rules: &[Arc<Rule>], problems: &mut Problems) {
    let all = rules
        .iter()
        .position(|rule| rule.matches == RuleMatch::default());
    let Some(position) = all.filter(|_| !problems.failed()) else {
        return;
    };
    let mut behind = entries.iter().zip(rules).skip(position + 1);
    let catching = entries
        .get(position)
        .map(|entry| entry.span.clone())
        .unwrap_or_default();
    let (Some((entry, rule)), others) = (behind.next(), behind.count()) else {
        return;
    };
    let names = match others {
        0 => format!("rule `{}` is", rule.name),
        1 => format!("rule `{}` and the one behind it are", rule.name),
        _ => format!("rule `{}` and the {others} behind it are", rule.name),
    };
    let problem = Problem::warning(entry.span.clone(), format!("{names} unreachable"));
    problems.add(
        problem
            .also(
                catching,
                "this rule has no match fields, so it takes every packet",
            )
            .help("put it last, or use `[default]` instead"),
    );
}
