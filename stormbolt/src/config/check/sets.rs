//! `[set.NAME]`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_control::policy::{Addresses, MAX_SET_PREFIXES, MAX_SETS_PREFIXES, Set};
use toml::de::DeValue;

use super::classes::check_name;
use super::set_prefixes::{Prefixes, refuse};
use crate::config::diagnostic::{Problem, Problems, Span, did_you_mean};
use crate::config::document::SetEntry;
use crate::config::negation;
use crate::config::numbers::text;
use crate::config::prefixes::prefix;
use crate::config::section::{Field, List};
use crate::config::set_files::SetFiles;

/// The sets of a document, and which of them rules refer to.
#[derive(Debug)]
pub(super) struct Sets {
    all: Vec<Arc<Set>>,
    /// Where each is defined.
    spans: Vec<Span>,
    used: Vec<bool>,
    positions: BTreeMap<String, usize>,
}

/// What sets are read from.
pub(super) struct Sources<'a> {
    /// The text of the policy file.
    pub(super) text: &'a str,
    /// Where the files are.
    pub(super) files: SetFiles<'a>,
    /// The files that were read.
    pub(super) read: &'a mut Vec<PathBuf>,
}

impl Sets {
    /// The sets of a policy that is in force.
    pub(super) fn known(sets: &[Arc<Set>]) -> Self {
        let names = sets.iter().map(|set| set.name.clone());
        Self {
            all: sets.to_vec(),
            spans: vec![0..0; sets.len()],
            used: vec![false; sets.len()],
            positions: names.zip(0..).collect(),
        }
    }

    pub(super) fn read(
        entries: Vec<SetEntry<'_>>,
        sources: &mut Sources<'_>,
        problems: &mut Problems,
    ) -> Self {
        let mut read = Self {
            all: Vec::with_capacity(entries.len()),
            spans: Vec::with_capacity(entries.len()),
            used: vec![false; entries.len()],
            positions: BTreeMap::new(),
        };
        let mut total = 0;
        for entry in entries {
            let span = entry.name.span();
            let name = entry.name.get_ref().clone();
            check_name("set", &name, span.clone(), problems);
            let prefixes = set_prefixes(entry, sources, problems);
            let before = total;
            total += prefixes.len();
            let passed = before <= MAX_SETS_PREFIXES && total > MAX_SETS_PREFIXES;
            if passed {
                let message =
                    format!("the sets have more than {MAX_SETS_PREFIXES} prefixes together");
                let problem = Problem::error(span.clone(), message);
                problems.add(problem.label("the limit is passed here"));
            }
            read.positions.insert(name.clone(), read.all.len());
            read.spans.push(span);
            // In memory at once are never more than that.
            let fits = total <= MAX_SETS_PREFIXES;
            read.all.push(Arc::new(Set {
                name,
                prefixes: if fits { prefixes } else { Vec::new() },
            }));
        }
        read
    }

    /// Reads what `src` and `dst` take: prefixes, addresses and references to sets, or everything
    /// but those.
    pub(super) fn resolve(&mut self, key: &str, list: &List, problems: &mut Problems) -> Addresses {
        let (negated, list) = negation::split(list, problems);
        let mut addresses = Addresses {
            negated,
            ..Addresses::default()
        };
        let mut seen = BTreeSet::new();
        for field in list.get_ref() {
            let Some(given) = text(key, field, problems) else {
                continue;
            };
            let Some(name) = given.strip_prefix('@') else {
                let prefix = prefix(given, field.span(), problems);
                addresses
                    .prefixes
                    .extend(prefix.filter(|prefix| seen.insert(*prefix)));
                continue;
            };
            let Some(&position) = self.positions.get(name) else {
                problems.add(self.unknown(name, field.span(), problems.is_full()));
                continue;
            };
            if let Some(used) = self.used.get_mut(position) {
                *used = true;
            }
            if !addresses.sets.contains(&position) {
                addresses.sets.push(position);
            }
        }
        addresses
    }

    pub(super) fn warn_unused(&self, problems: &mut Problems) {
        let sets = self.all.iter().zip(&self.spans).zip(&self.used);
        for ((set, span), _) in sets.filter(|(_, used)| !**used) {
            let name = &set.name;
            let message = format!("set `{name}` is never used");
            let help = format!("rules refer to it as `src = \"@{name}\"` or `dst = \"@{name}\"`");
            problems.add(Problem::warning(span.clone(), message).help(help));
        }
    }

    /// The sets in the order of the file.
    pub(super) fn into_sets(self) -> Vec<Arc<Set>> {
        self.all
    }

    fn unknown(&self, name: &str, span: Span, full: bool) -> Problem {
        let known = self.positions.keys().map(String::as_str);
        let help = if full {
            None
        } else {
            did_you_mean(name, known)
        };
        let problem = Problem::error(span, format!("there is no set `{name}`"));
        problem
            .help(format!("define it: `[set.{name}]` with `prefixes`"))
            .help_if(help)
    }
}

/// The prefixes of one set, in order.
fn set_prefixes(
    entry: SetEntry<'_>,
    sources: &mut Sources<'_>,
    problems: &mut Problems,
) -> Vec<IpNet> {
    let span = entry.name.span();
    let name = entry.name.get_ref();
    if entry.prefixes.is_none() && entry.file.is_none() {
        let message = format!("set `{name}` has neither `prefixes` nor a `file`");
        let problem = Problem::error(span.clone(), message);
        problems.add(problem.help("write `prefixes = [\"192.0.2.0/24\"]`"));
        return Vec::new();
    }
    // What had errors is not empty.
    let failed_before = problems.failed();
    let mut prefixes = Prefixes::new(name);
    if let Some(value) = entry.prefixes {
        let at = value.span();
        let raw = sources.text.get(at.clone()).unwrap_or_default();
        match value.into_inner() {
            DeValue::Array(values) => prefixes.read_list(values, problems),
            DeValue::String(text) => prefixes.read_text(&text, raw, &at, problems),
            other @ (DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_)) => refuse(&other, at, problems),
        }
    }
    if let Some(file) = &entry.file {
        read_file(file, &mut prefixes, sources, problems);
    }
    let failed = problems.failed() && !failed_before;
    let Some(prefixes) = prefixes.finish() else {
        let message = format!("set `{name}` has more than {MAX_SET_PREFIXES} different prefixes");
        let problem = Problem::error(span, message);
        problems.add(problem.help("split it; a rule takes several: `src = [\"@a\", \"@b\"]`"));
        return Vec::new();
    };
    if prefixes.is_empty() && !failed {
        let problem = Problem::warning(span, format!("set `{name}` is empty"));
        problems.add(problem.help("rules that refer to it alone match nothing"));
    }
    prefixes
}

fn read_file(
    file: &Field,
    prefixes: &mut Prefixes<'_>,
    sources: &mut Sources<'_>,
    problems: &mut Problems,
) {
    let Some(name) = text("file", file, problems) else {
        return;
    };
    match sources.files.read(name) {
        Ok(found) => {
            let shown = found.path.display().to_string();
            sources.read.push(found.path);
            problems.within(&shown, found.text, |text, problems| {
                prefixes.read_lines(text, problems);
            });
        }
        Err(error) => {
            let help = error.help();
            problems.add(Problem::error(file.span(), error.to_string()).help(help));
        }
    }
}
