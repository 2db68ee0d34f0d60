//! `[set.NAME]`

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use stormbolt_common::limits::MAX_PREFIXES;

use super::classes::check_name;
use crate::config::diagnostic::{Problem, Problems, Span, did_you_mean};
use crate::config::document::SetEntry;
use crate::config::numbers::text;
use crate::config::prefixes::prefix;
use crate::config::section::List;

/// The sets of a document by name.
#[derive(Debug)]
pub(super) struct Sets(BTreeMap<String, Set>);

#[derive(Debug)]
struct Set {
    span: Span,
    prefixes: Vec<IpNet>,
    used: bool,
}

/// Prefixes without duplicates, in the order given, up to the limit.
struct Prefixes {
    list: Vec<IpNet>,
    seen: BTreeSet<IpNet>,
}

impl Sets {
    pub(super) fn read(entries: Vec<SetEntry>, problems: &mut Problems) -> Self {
        let mut sets = BTreeMap::new();
        for entry in entries {
            let span = entry.name.span();
            let name = entry.name.into_inner();
            check_name("set", &name, span.clone(), problems);
            let prefixes = set_prefixes(&name, &span, entry.prefixes.as_ref(), problems);
            sets.insert(
                name,
                Set {
                    span,
                    prefixes,
                    used: false,
                },
            );
        }
        Self(sets)
    }

    /// Reads what `src` and `dst` take: prefixes, addresses and references to sets.
    pub(super) fn resolve(
        &mut self,
        key: &str,
        list: &List,
        problems: &mut Problems,
    ) -> Vec<IpNet> {
        let mut prefixes = Prefixes::new();
        let mut referred = BTreeSet::new();
        for field in list.get_ref() {
            let Some(given) = text(key, field, problems) else {
                continue;
            };
            let Some(name) = given.strip_prefix('@') else {
                prefixes.extend(prefix(given, field.span(), problems));
                continue;
            };
            if !referred.insert(name) {
                continue;
            }
            if let Some(set) = self.0.get_mut(name) {
                set.used = true;
                prefixes.extend(set.prefixes.iter().copied());
            } else {
                problems.add(self.unknown(name, field.span(), problems.is_full()));
            }
        }
        prefixes.finish(list.span(), problems)
    }

    pub(super) fn warn_unused(&self, problems: &mut Problems) {
        for (name, set) in self.0.iter().filter(|(_, set)| !set.used) {
            let message = format!("set `{name}` is never used");
            let help = format!("rules refer to it as `src = \"@{name}\"` or `dst = \"@{name}\"`");
            problems.add(Problem::warning(set.span.clone(), message).help(help));
        }
    }

    fn unknown(&self, name: &str, span: Span, full: bool) -> Problem {
        let known = self.0.keys().map(String::as_str);
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

fn set_prefixes(
    name: &str,
    span: &Span,
    list: Option<&List>,
    problems: &mut Problems,
) -> Vec<IpNet> {
    let Some(list) = list else {
        let problem = Problem::error(span.clone(), format!("set `{name}` has no `prefixes`"));
        problems.add(problem.help("write `prefixes = [\"192.0.2.0/24\"]`"));
        return Vec::new();
    };
    if list.get_ref().is_empty() {
        let problem = Problem::warning(list.span(), format!("set `{name}` is empty"));
        problems.add(problem.help("rules that refer to it alone match nothing"));
    }
    let mut prefixes = Prefixes::new();
    for field in list.get_ref() {
        if let Some(given) = text("prefixes", field, problems) {
            prefixes.extend(prefix(given, field.span(), problems));
        }
    }
    prefixes.finish(list.span(), problems)
}

impl Prefixes {
    fn new() -> Self {
        Self {
            list: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    fn extend(&mut self, prefixes: impl IntoIterator<Item = IpNet>) {
        for prefix in prefixes {
            // One above the limit is enough to see that it is passed.
            if self.seen.len() <= max_prefixes() && self.seen.insert(prefix) {
                self.list.push(prefix);
            }
        }
    }

    fn finish(self, span: Span, problems: &mut Problems) -> Vec<IpNet> {
        if self.list.len() <= max_prefixes() {
            return self.list;
        }
        let max = max_prefixes();
        problems.add(Problem::error(
            span,
            format!("more than {max} different prefixes"),
        ));
        Vec::new()
    }
}

/// How many prefixes rules may match sources with, and as many destinations: all that the tables
/// hold but two, for everything else of either family.
pub(super) fn max_prefixes() -> usize {
    usize::try_from(MAX_PREFIXES - 2).unwrap_or(usize::MAX)
}
