//! The document as a whole.

use std::path::PathBuf;

use stormbolt_common::limits::{MAX_CLASSES, MAX_INTERFACES};
use stormbolt_control::policy::{MAX_GROUPS, MAX_OWN_RULES, Malformed, Policy};

use super::classes::classes;
use super::controller::{failsafe, interval, law};
use super::groups::{check_groups, groups, memberships};
use super::guarantees::check_guarantees;
use super::interfaces::interfaces;
use super::management::{management, warn_exempt};
use super::rules::{Names, rules};
use super::sets::{Sets, Sources};
use super::tables::table_wishes;
use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::{ClassEntry, DefaultEntry, Document};
use crate::config::numbers::{flag, text, word};
use crate::config::set_files::SetFiles;

/// Gives a document its meaning. What has errors is replaced by something harmless, so that the
/// rest can be checked too: the result is a policy only if `problems` has no errors.
///
/// `text` is what the document was read from; the files of its sets are read from `files` and noted
/// in `set_files`.
pub(in crate::config) fn policy(
    mut document: Document<'_>,
    text: &str,
    files: SetFiles<'_>,
    set_files: &mut Vec<PathBuf>,
    problems: &mut Problems,
) -> Policy {
    limits(&mut document, problems);
    let interval = interval(&document.controller, problems);
    let failsafe = failsafe(&document.controller, interval, problems);
    let shadow = document.shadow.as_ref();
    let shadow = shadow.and_then(|field| flag("shadow", field, problems));
    let law = law(&document.controller, problems);
    let tables = table_wishes(&document.tables, problems);
    let interfaces = interfaces(&document.interfaces, problems);
    let mut classes = classes(&document.classes, &interfaces, problems);
    let groups = groups(&document.groups, &interfaces, problems);
    memberships(&document.classes, &mut classes, &groups, problems);
    check_groups(&document, &classes, &groups, problems);
    check_guarantees(&document, &interfaces, &classes, &groups, problems);
    let mut sources = Sources {
        text,
        files,
        read: set_files,
    };
    let mut sets = Sets::read(std::mem::take(&mut document.sets), &mut sources, problems);
    let mut names = Names::new(&interfaces, &classes, &mut sets);
    let management = management(&document.management, &mut names, problems);
    let rules = rules(&document.rules, &mut names, problems);
    warn_exempt(&document.rules, &rules, &management, problems);
    let (default_class, malformed) = default(document.default.as_ref(), &mut names, problems);
    let used_classes = names.used_classes().clone();
    // Beside errors it is not known what would have been used.
    if !problems.failed() {
        let entries = document.classes.iter().enumerate();
        for (_, entry) in entries.filter(|(index, _)| !used_classes.contains(index)) {
            problems.add(unused_class(entry));
        }
        sets.warn_unused(problems);
    }
    let default_class = default_class.unwrap_or(0);
    Policy {
        interval,
        law,
        failsafe,
        shadow: shadow.unwrap_or_default(),
        tables,
        interfaces,
        classes,
        groups,
        sets: sets.into_sets(),
        management,
        rules,
        default_class,
        malformed,
    }
}

fn limits(document: &mut Document<'_>, problems: &mut Problems) {
    limit(
        "interface",
        &mut document.interfaces,
        MAX_INTERFACES,
        |e| e.name.span(),
        problems,
    );
    limit(
        "class",
        &mut document.classes,
        MAX_CLASSES,
        |e| e.name.span(),
        problems,
    );
    limit(
        "group",
        &mut document.groups,
        MAX_GROUPS,
        |e| e.name.span(),
        problems,
    );
    limit(
        "rule",
        &mut document.rules,
        MAX_OWN_RULES,
        |e| e.span.clone(),
        problems,
    );
}

fn limit<T>(
    what: &str,
    entries: &mut Vec<T>,
    max: u32,
    span: fn(&T) -> std::ops::Range<usize>,
    problems: &mut Problems,
) {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    if let Some(first) = entries.get(max) {
        let count = entries.len();
        let message = format!("{count} entries of kind `{what}`, but at most {max} are supported");
        problems.add(Problem::error(span(first), message).label("the first one too many"));
        entries.truncate(max);
    }
}

fn default(
    entry: Option<&DefaultEntry>,
    names: &mut Names<'_>,
    problems: &mut Problems,
) -> (Option<usize>, Malformed) {
    let help =
        "write `[default]` with `class = \"NAME\"`: the class of packets that no rule matches";
    let Some(entry) = entry else {
        problems.add(Problem::error(0..0, "the default class is missing").help(help));
        return (None, Malformed::default());
    };
    let malformed = entry.malformed.as_ref().and_then(|field| {
        let words = [("drop", Malformed::Drop), ("pass", Malformed::Pass)];
        word("malformed", field, &words, problems)
    });
    let class = if let Some(field) = &entry.class {
        text("class", field, problems).and_then(|name| names.class(name, field.span(), problems))
    } else {
        let problem = Problem::error(entry.span.clone(), "`[default]` has no `class`");
        problems.add(problem.help(help));
        None
    };
    (class, malformed.unwrap_or_default())
}

fn unused_class(entry: &ClassEntry) -> Problem {
    let message = format!("class `{}` is never used", entry.name.get_ref());
    let problem = Problem::warning(entry.name.span(), message);
    problem.help("no rule puts packets into it, and it is not the default")
}
