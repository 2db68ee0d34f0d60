//! `[group.NAME]`, and which groups classes and groups are in.

use std::collections::HashMap;

use stormbolt_control::policy::{Class, Group, Interface, MAX_LEVELS};
use stormbolt_control::units::BitsPerSecond;

use super::circles::circles;
use super::classes::{DEFAULT_PRIORITY, ceil, check_name, check_order, guarantee};
use crate::config::diagnostic::{Problem, Problems, did_you_mean};
use crate::config::document::{ClassEntry, Document, GroupEntry};
use crate::config::numbers::{integer, text};
use crate::config::section::Field;
use crate::config::units::MAX_RATE;

/// All groups in the order of the file, one for each entry; no chain of them is endless.
pub(super) fn groups(
    entries: &[GroupEntry],
    interfaces: &[Interface],
    problems: &mut Problems,
) -> Vec<Group> {
    let largest = interfaces.iter().map(Interface::largest_capacity).max();
    let largest = largest.unwrap_or(MAX_RATE);
    let groups = entries.iter().map(|entry| group(entry, largest, problems));
    let mut groups: Vec<Group> = groups.collect();
    let names = Names::of(&groups);
    let parents = entries
        .iter()
        .map(|entry| names.find(entry.parent.as_ref(), "parent", problems));
    let parents: Vec<Option<usize>> = parents.collect();
    for (group, parent) in groups.iter_mut().zip(parents) {
        group.parent = parent;
    }
    break_circles(entries, &mut groups, problems);
    check_depth(entries, &groups, problems);
    groups
}

fn group(entry: &GroupEntry, largest: BitsPerSecond, problems: &mut Problems) -> Group {
    check_name("group", entry.name.get_ref(), entry.name.span(), problems);
    let mut number = |key, field: Option<&Field>, default, bounds| {
        let given = field.and_then(|field| integer(key, field, bounds, problems));
        given.unwrap_or(default)
    };
    let priority = number("priority", entry.priority.as_ref(), DEFAULT_PRIORITY, 0..=7);
    let weight = number("weight", entry.weight.as_ref(), 1, 1..=1000);
    let rate = entry.rate.as_ref();
    let rate = rate.and_then(|field| guarantee(field, problems));
    let rate = rate.unwrap_or_default();
    let limit = entry.ceil.as_ref();
    let limit = limit.and_then(|field| ceil(field, largest, problems));
    check_order((&entry.rate, rate), (&entry.ceil, limit), problems);
    Group {
        name: entry.name.get_ref().clone(),
        // Names are looked up when all are known.
        parent: None,
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        rate,
        ceil: limit,
        weight,
    }
}

/// Puts each class into the group that it names.
pub(super) fn memberships(
    entries: &[ClassEntry],
    classes: &mut [Class],
    groups: &[Group],
    problems: &mut Problems,
) {
    let names = Names::of(groups);
    for (entry, class) in entries.iter().zip(classes) {
        class.group = names.find(entry.group.as_ref(), "group", problems);
    }
}

/// Positions of groups by name.
struct Names<'g> {
    groups: &'g [Group],
    positions: HashMap<&'g str, usize>,
}

impl<'g> Names<'g> {
    fn of(groups: &'g [Group]) -> Self {
        let names = groups.iter().map(|group| group.name.as_str());
        Self {
            groups,
            positions: names.zip(0..).collect(),
        }
    }

    /// Position of the group that a field names, with a problem if there is none.
    fn find(&self, field: Option<&Field>, key: &str, problems: &mut Problems) -> Option<usize> {
        let field = field?;
        let name = text(key, field, problems)?;
        let found = self.positions.get(name).copied();
        if found.is_none() {
            let known = self.groups.iter().map(|group| group.name.as_str());
            let meant = (!problems.is_full())
                .then(|| did_you_mean(name, known))
                .flatten();
            let problem = Problem::error(field.span(), format!("there is no group `{name}`"));
            let problem = problem.help(format!("define it: `[group.{name}]`"));
            problems.add(problem.help_if(meant));
        }
        found
    }
}

/// A group and those that it is in, by position; no more of them than are one too many.
fn chain(group: usize, groups: &[Group]) -> Vec<usize> {
    let parent = |group: &usize| groups.get(*group).and_then(|group| group.parent);
    std::iter::successors(Some(group), parent)
        .take(MAX_LEVELS + 1)
        .collect()
}

/// Names of a chain from the outermost in.
fn written(chain: &[usize], groups: &[Group]) -> String {
    let names = chain.iter().rev().filter_map(|&group| groups.get(group));
    let names: Vec<String> = names.map(|group| format!("`{}`", group.name)).collect();
    names.join(" > ")
}

/// Names of a circle that are written out.
const WRITTEN_OF_A_CIRCLE: usize = 8;

/// Reports groups that are in themselves, each circle once, and takes such a group out of its parent, so
/// that the rest can be checked.
fn break_circles(entries: &[GroupEntry], groups: &mut [Group], problems: &mut Problems) {
    for circle in circles(groups) {
        let Some((&first, entry)) = circle
            .first()
            .and_then(|first| Some((first, entries.get(*first)?)))
        else {
            continue;
        };
        let at = entry.parent.as_ref().map_or(entry.name.span(), Field::span);
        let mut chain = circle.clone();
        chain.truncate(WRITTEN_OF_A_CIRCLE);
        let more = if chain.len() < circle.len() {
            "… > "
        } else {
            ""
        };
        let (name, inner) = (entry.name.get_ref(), written(&chain, groups));
        let message = format!("group `{name}` is in itself: `{name}` > {more}{inner}");
        let problem = Problem::error(at, message);
        problems.add(problem.help("leave out one `parent` of these"));
        if let Some(group) = groups.get_mut(first) {
            group.parent = None;
        }
    }
}

fn check_depth(entries: &[GroupEntry], groups: &[Group], problems: &mut Problems) {
    for (position, entry) in entries.iter().enumerate() {
        let chain = chain(position, groups);
        // Of a chain that is too long the first group that is too deep says so.
        if chain.len() != MAX_LEVELS {
            continue;
        }
        let at = entry.parent.as_ref().map_or(entry.name.span(), Field::span);
        let message = format!(
            "groups are too deep inside each other: {}",
            written(&chain, groups)
        );
        let problem = Problem::error(at, message);
        let most = MAX_LEVELS - 1;
        problems.add(problem.help(format!(
            "there are at most {MAX_LEVELS} levels below an interface: {most} of groups, and the classes"
        )));
    }
}

/// Warns about ceils that a group makes useless, and about groups without classes.
pub(super) fn check_groups(
    document: &Document,
    classes: &[Class],
    groups: &[Group],
    problems: &mut Problems,
) {
    for (entry, class) in document.classes.iter().zip(classes) {
        let ceil = (entry.ceil.as_ref(), class.ceil);
        check_ceil(ceil, class.group, groups, problems);
    }
    for (entry, group) in document.groups.iter().zip(groups) {
        let ceil = (entry.ceil.as_ref(), group.ceil);
        check_ceil(ceil, group.parent, groups, problems);
    }
    // Beside errors it is not known who would have been in a group.
    if problems.failed() {
        return;
    }
    let mut has_classes = vec![false; groups.len()];
    for group in classes.iter().filter_map(|class| class.group) {
        for group in chain(group, groups) {
            if let Some(has_classes) = has_classes.get_mut(group) {
                *has_classes = true;
            }
        }
    }
    let entries = document.groups.iter().zip(has_classes);
    for (entry, _) in entries.filter(|(_, has_classes)| !has_classes) {
        let message = format!("group `{}` has no classes", entry.name.get_ref());
        let problem = Problem::warning(entry.name.span(), message);
        let help = format!(
            "put classes into it: `group = \"{}\"`",
            entry.name.get_ref()
        );
        problems.add(problem.help(help));
    }
}

fn check_ceil(
    (field, own): (Option<&Field>, Option<BitsPerSecond>),
    group: Option<usize>,
    groups: &[Group],
    problems: &mut Problems,
) {
    let (Some(field), Some(own), Some(group)) = (field, own, group) else {
        return;
    };
    let outer = chain(group, groups)
        .into_iter()
        .filter_map(|group| groups.get(group));
    let lower = outer.filter_map(|group| Some((group, group.ceil.filter(|ceil| *ceil < own)?)));
    if let Some((group, ceil)) = lower.min_by_key(|(_, ceil)| *ceil) {
        let message = format!(
            "the `ceil` of {own} is above that of group `{}`, {ceil}",
            group.name
        );
        problems.add(Problem::warning(field.span(), message).help("it limits nothing"));
    }
}
