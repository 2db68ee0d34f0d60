//! The policy while a rule set is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_common::limits::MAX_INTERFACES;

use super::draft::{Draft, Drafted, Read};
use super::finding::{Finding, FindingKind};
use crate::policy::{
    Accepts, Action, AttachMode, Class, Interface, MAX_OWN_RULES, MAX_SET_PREFIXES,
    MAX_SETS_PREFIXES, Management, Policy, Rule, Set,
};
use crate::units::{BitsPerSecond, Nanoseconds};

/// Longest name of rules and sets in bytes.
const MAX_NAME: usize = 63;
/// The interface of a policy that was told none.
const SOME_INTERFACE: &str = "eth0";

/// What a rule set does not say but a policy does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Interfaces to manage; rules about others are left out. Without any, those that the rules
    /// name, else `eth0`.
    pub interfaces: Vec<String>,
    /// Capacity of each interface.
    pub capacity: BitsPerSecond,
    /// Classes that `ClassBench` filters are spread over, in turn. Other formats have actions.
    pub classes: Vec<String>,
    /// Class of the packets that no rule matches.
    pub default_class: String,
    /// Base chains to translate; without any, all that see arriving packets.
    pub chains: Vec<String>,
}

/// A policy out of another tool's rule set.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What could be translated. Valid if the names and the capacity in the [`Options`] are.
    pub policy: Policy,
    /// What could not, and what is to be known about the rest, by line.
    pub findings: Vec<Finding>,
    /// What is left to do in the policy, a sentence each.
    pub to_do: Vec<String>,
}

impl Imported {
    /// How many lines were not translated.
    pub fn untranslated(&self) -> usize {
        let findings = self.findings.iter();
        findings
            .filter(|finding| finding.kind == FindingKind::Untranslated)
            .count()
    }
}

/// Gathers what is read, and the findings.
pub(super) struct Builder<'a> {
    pub(super) options: &'a Options,
    lines: Vec<&'a str>,
    rules: Vec<Drafted>,
    sets: Vec<Arc<Set>>,
    set_positions: BTreeMap<String, usize>,
    set_prefixes: usize,
    findings: BTreeSet<Finding>,
    to_do: Vec<String>,
    /// The first line that would have passed packets and was not translated, and how many rules
    /// stand before it.
    lost_pass: Option<(usize, usize)>,
    chains: BTreeSet<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a str, options: &'a Options) -> Self {
        Self {
            options,
            lines: text.lines().collect(),
            rules: Vec::new(),
            sets: Vec::new(),
            set_positions: BTreeMap::new(),
            set_prefixes: 0,
            findings: BTreeSet::new(),
            to_do: Vec::new(),
            lost_pass: None,
            chains: BTreeSet::new(),
        }
    }

    /// The lines of the text with their numbers.
    pub(super) fn numbered_lines(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let lines = self.lines.clone();
        lines
            .into_iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    pub(super) fn note(&mut self, line: usize, reason: impl Into<String>) {
        self.find(line, FindingKind::Note, reason.into());
    }

    /// Reports a line that was not translated and that passed no packets.
    pub(super) fn untranslated(&mut self, line: usize, reason: impl Into<String>) {
        self.find(line, FindingKind::Untranslated, reason.into());
    }

    /// Reports a line that was not translated and that passed packets.
    pub(super) fn untranslated_pass(&mut self, line: usize, reason: impl Into<String>) {
        self.lost_pass.get_or_insert((line, self.rules.len()));
        self.untranslated(line, reason);
    }

    fn find(&mut self, line: usize, kind: FindingKind, reason: String) {
        let text = line.checked_sub(1).and_then(|index| self.lines.get(index));
        self.findings.insert(Finding {
            line,
            kind,
            text: text.map_or("", |text| text.trim()).to_owned(),
            reason,
        });
    }

    /// Adds a rule, or says why it cannot be one.
    pub(super) fn rule(&mut self, line: usize, mut draft: Draft, action: Action) -> Read {
        let max = usize::try_from(MAX_OWN_RULES).unwrap_or(usize::MAX);
        if self.rules.len() >= max {
            return Err(format!("a policy has at most {max} rules"));
        }
        let (name, interface) = (draft.name.take(), draft.interface.take());
        let notes = std::mem::take(&mut draft.notes);
        let matches = draft.finish()?;
        for note in notes {
            self.note(line, note);
        }
        self.rules.push(Drafted {
            line,
            name,
            matches,
            interface,
            action,
        });
        Ok(())
    }

    /// Adds a rule of a chain.
    pub(super) fn chain_rule(
        &mut self,
        line: usize,
        draft: Draft,
        action: Action,
        chain: &str,
    ) -> Read {
        self.rule(line, draft, action)?;
        if !self.chains.contains(chain) {
            self.chains.insert(chain.to_owned());
        }
        Ok(())
    }

    /// Position of the set that `key` stands for in the text, which is made from the prefixes, if
    /// there are any, when it is first asked for. `wanted` is its name in the policy.
    pub(super) fn set(
        &mut self,
        line: usize,
        key: &str,
        wanted: &str,
        prefixes: Option<&[IpNet]>,
    ) -> Read<usize> {
        if let Some(&position) = self.set_positions.get(key) {
            return Ok(position);
        }
        let count = prefixes.map_or(0, <[_]>::len);
        if count > MAX_SET_PREFIXES || count > MAX_SETS_PREFIXES - self.set_prefixes {
            return Err(format!(
                "set `{wanted}` has {count} prefixes, more than fit a policy"
            ));
        }
        let taken = |name: &str| self.sets.iter().any(|set| set.name == name);
        let name = unique(&set_name(wanted), taken);
        let position = self.sets.len();
        if prefixes.is_none() {
            self.note(
                line,
                format!("what is in set `{wanted}` is not in the text: it is empty in the policy"),
            );
            self.to_do
                .push(format!("fill set `{name}`, or name its `file`"));
        }
        self.sets.push(Arc::new(Set::new(
            name,
            prefixes.unwrap_or_default().to_vec(),
        )));
        self.set_prefixes += count;
        self.set_positions.insert(key.to_owned(), position);
        Ok(position)
    }

    /// The policy and what was found.
    pub(super) fn finish(mut self) -> Imported {
        self.warn_of_lost_passes();
        if self.chains.len() > 1 {
            let chains: Vec<_> = self.chains.iter().map(String::as_str).collect();
            let chains = chains.join(", ");
            self.note(
                0,
                format!(
                    "rules of chains {chains} follow one another now, since a packet that arrives \
                     is in none of them yet; translate one of them alone if that is not meant"
                ),
            );
        }
        let interfaces = self.interfaces();
        let mut rules = Vec::with_capacity(self.rules.len());
        let mut names = BTreeSet::new();
        for drafted in std::mem::take(&mut self.rules) {
            let mut matches = drafted.matches;
            match managed(drafted.interface.as_ref(), &interfaces) {
                Ok(positions) => matches.interface = positions,
                Err(name) => {
                    self.note(drafted.line, left_out(&name));
                    continue;
                }
            }
            rules.push(Arc::new(Rule {
                name: rule_name(drafted.name.as_deref(), rules.len() + 1, &mut names),
                matches,
                action: drafted.action,
            }));
        }
        let (classes, default_class) = classes(self.options);
        let interfaces = interfaces.into_iter().map(|name| Interface {
            name,
            capacity: self.options.capacity,
            mode: AttachMode::Auto,
            overhead: 0,
            adaptive: None,
            then: None,
        });
        Imported {
            policy: Policy {
                interfaces: interfaces.collect(),
                classes,
                sets: self.sets,
                management: Management::default(),
                rules,
                default_class,
                ..Policy::empty()
            },
            findings: self.findings.into_iter().collect(),
            to_do: self.to_do,
        }
    }

    /// Says so when packets are dropped now that a line before had let through.
    fn warn_of_lost_passes(&mut self) {
        let Some((line, before)) = self.lost_pass else {
            return;
        };
        let behind = self.rules.iter().skip(before);
        let drop = behind
            .filter(|rule| rule.action == Action::Drop)
            .min_by_key(|rule| rule.line);
        if let Some(drop) = drop.map(|rule| rule.line) {
            self.note(
                line,
                format!(
                    "what this line lets through may be dropped now, by rules behind it, the first \
                     of them from line {drop}"
                ),
            );
        }
    }

    fn interfaces(&mut self) -> Vec<String> {
        if !self.options.interfaces.is_empty() {
            return self.options.interfaces.clone();
        }
        let mut named: Vec<String> = Vec::new();
        let wanted = self.rules.iter().filter_map(|rule| rule.interface.as_ref());
        for name in wanted
            .filter(|names| !names.negated)
            .flat_map(|names| &names.any_of)
        {
            let full = named.len() >= usize::try_from(MAX_INTERFACES).unwrap_or(usize::MAX);
            if name != "lo" && !full && !named.contains(name) {
                named.push(name.clone());
            }
        }
        if named.is_empty() {
            named.push(SOME_INTERFACE.to_owned());
            self.to_do.push(format!(
                "set the interface: `{SOME_INTERFACE}` is a guess (`--interface NAME`)"
            ));
        }
        self.to_do
            .push("set the capacity of each interface to that of its link".to_owned());
        named
    }
}

/// Positions of the interfaces that a rule names, `None` for all; or the name of one that is not
/// managed, if that is so for all of them.
fn managed(
    names: Option<&Accepts<String>>,
    interfaces: &[String],
) -> Result<Option<Accepts<usize>>, String> {
    let Some(names) = names else {
        return Ok(None);
    };
    let position = |name: &String| interfaces.iter().position(|interface| interface == name);
    let positions: BTreeSet<usize> = names.any_of.iter().filter_map(position).collect();
    if positions.is_empty() {
        return match names.any_of.first() {
            Some(name) if !names.negated => Err(name.clone()),
            _ => Ok(None),
        };
    }
    Ok(Some(Accepts {
        negated: names.negated,
        any_of: positions.into_iter().collect(),
    }))
}

fn left_out(interface: &str) -> String {
    if interface == "lo" {
        "left out: what the host sends to itself does not pass StormBolt".to_owned()
    } else {
        format!("left out: interface `{interface}` is not managed; give `--interface {interface}`")
    }
}

fn classes(options: &Options) -> (Vec<Class>, usize) {
    let mut names: Vec<&String> = Vec::new();
    for name in options.classes.iter().chain([&options.default_class]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let default = names
        .iter()
        .position(|name| **name == options.default_class);
    let classes = names.into_iter().map(|name| Class {
        name: name.clone(),
        priority: 3,
        rate: BitsPerSecond::ZERO,
        ceil: None,
        group: None,
        per_source: None,
        burst: Nanoseconds::from_millis(50),
        weight: 1,
        cpus: None,
        treatment: crate::policy::Treatment::default(),
    });
    (classes.collect(), default.unwrap_or(0))
}

/// A name that no other rule has, out of a comment.
fn rule_name(wanted: Option<&str>, number: usize, names: &mut BTreeSet<String>) -> String {
    let is_odd = |c: char| c.is_control();
    let name = wanted.unwrap_or_default().replace(is_odd, " ");
    let name = shortened(name.trim(), MAX_NAME);
    // Names of this form are those of rules without one.
    let by_position = name
        .strip_prefix("rule ")
        .is_some_and(|rest| rest.parse::<u64>().is_ok());
    if name.is_empty() || by_position {
        return format!("rule {number}");
    }
    let name = if names.contains(name) {
        // The number of the rule makes it unique at once, where counting would take as many steps
        // as there are rules of the name; comments may look like that, too.
        let numbered = format!("{} ({number})", shortened(name, MAX_NAME - 24).trim_end());
        unique(&numbered, |name| names.contains(name))
    } else {
        name.to_owned()
    };
    names.insert(name.clone());
    name
}

fn set_name(wanted: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = wanted
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    let name = shortened(&name, MAX_NAME);
    if name.is_empty() {
        "set".to_owned()
    } else {
        name.to_owned()
    }
}

/// The name, or the name and the first number that makes it a new one.
fn unique(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let short = shortened(name, MAX_NAME - 11);
    let numbered = (2_u32..).map(|number| format!("{short}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| !taken(name))
        .unwrap_or_else(|| name.to_owned())
}

fn shortened(text: &str, bytes: usize) -> &str {
    let end = text.floor_char_boundary(bytes);
    text.get(..end).unwrap_or_default()
}
