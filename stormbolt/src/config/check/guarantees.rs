//! What is guaranteed must fit: every link, and every group what its members are guaranteed.

use std::cmp::Reverse;
use std::collections::HashMap;

use stormbolt_control::policy::{Class, Group, Interface};
use stormbolt_control::units::BitsPerSecond;

use crate::config::diagnostic::{Problem, Problems, Span};
use crate::config::document::Document;
use crate::config::section::Field;

/// Something that is guaranteed a rate above zero.
struct Guarantee<'a> {
    kind: &'static str,
    name: &'a str,
    rate: BitsPerSecond,
    /// The group that it is in.
    group: Option<usize>,
    /// Where it is written.
    span: Span,
}

/// Each interface keeps guarantees on its own.
pub(super) fn check_guarantees(
    document: &Document,
    interfaces: &[Interface],
    classes: &[Class],
    groups: &[Group],
    problems: &mut Problems,
) {
    let all = guarantees(document, classes, groups);
    let families = Families::of(&all);
    for (position, (entry, group)) in document.groups.iter().zip(groups).enumerate() {
        let at = entry.rate.as_ref().map_or(entry.name.span(), Field::span);
        check_group(group, at, families.members(Some(position)), problems);
    }
    let outermost = families.members(None);
    for (entry, interface) in document.interfaces.iter().zip(interfaces) {
        let lowest = entry.adaptive.min.as_ref();
        let at = lowest
            .or(entry.capacity.as_ref())
            .map_or(entry.name.span(), Field::span);
        check_link(interface, at, outermost, problems);
    }
}

fn guarantees<'a>(
    document: &Document,
    classes: &'a [Class],
    groups: &'a [Group],
) -> Vec<Guarantee<'a>> {
    let of_classes = document.classes.iter().zip(classes);
    let of_classes = of_classes.filter_map(|(entry, class)| {
        Some(Guarantee {
            kind: "class",
            name: &class.name,
            rate: class.rate,
            group: class.group,
            span: entry.rate.as_ref()?.span(),
        })
    });
    let of_groups = document.groups.iter().zip(groups);
    let of_groups = of_groups.filter_map(|(entry, group)| {
        Some(Guarantee {
            kind: "group",
            name: &group.name,
            rate: group.rate,
            group: group.parent,
            span: entry.rate.as_ref()?.span(),
        })
    });
    let all = of_classes.chain(of_groups);
    all.filter(|one| one.rate != BitsPerSecond::ZERO).collect()
}

/// Guarantees by the group that they are in.
struct Families<'a, 'b>(HashMap<Option<usize>, Vec<&'a Guarantee<'b>>>);

impl<'a, 'b> Families<'a, 'b> {
    fn of(all: &'a [Guarantee<'b>]) -> Self {
        let mut families: HashMap<_, Vec<_>> = HashMap::new();
        for one in all {
            families.entry(one.group).or_default().push(one);
        }
        Self(families)
    }

    /// Those in `group`; `None`: those outside of all groups.
    fn members(&self, group: Option<usize>) -> &[&'a Guarantee<'b>] {
        self.0.get(&group).map_or(&[], Vec::as_slice)
    }
}

fn check_group(group: &Group, at: Span, members: &[&Guarantee<'_>], problems: &mut Problems) {
    let total: BitsPerSecond = members.iter().map(|one| one.rate).sum();
    if total <= group.rate {
        return;
    }
    let (name, rate) = (&group.name, group.rate);
    let message =
        format!("the members of group `{name}` are guaranteed {total}, but the group {rate}");
    let problem = Problem::error(at, message).label("the group");
    let what = format!(
        "the `rate` of a group must cover those of its members: write `rate = \"{total}\"`, or lower \
         some of them"
    );
    let problem = problem.help(help(what, members));
    problems.add(each(problem, members));
}

fn check_link(
    interface: &Interface,
    at: Span,
    guarantees: &[&Guarantee<'_>],
    problems: &mut Problems,
) {
    let (name, capacity) = (&interface.name, interface.least_capacity());
    // A guarantee holds whatever the capacity comes to.
    let lowest = match interface.adaptive {
        Some(_) => " at its lowest",
        None => "",
    };
    let mut single = false;
    for one in guarantees.iter().filter(|one| one.rate > capacity) {
        single = true;
        let message = format!(
            "{} `{}` is guaranteed {}, more than `{name}` carries{lowest}",
            one.kind, one.name, one.rate
        );
        let problem = Problem::error(one.span.clone(), message).label("guaranteed");
        problems.add(problem.also(at.clone(), format!("`{name}` carries {capacity}{lowest}")));
    }
    let total: BitsPerSecond = guarantees.iter().map(|one| one.rate).sum();
    if single || total <= capacity {
        return;
    }
    let has_groups = guarantees.iter().any(|one| one.kind == "group");
    let who = if has_groups {
        "classes and groups"
    } else {
        "classes"
    };
    let message =
        format!("the {who} are guaranteed {total}, but `{name}` carries {capacity}{lowest}");
    let problem = Problem::error(at, message).label("the link");
    let what = format!("the guarantees of all {who} must fit each link: lower some of them");
    let problem = problem.help(help(what, guarantees));
    problems.add(each(problem, guarantees));
}

/// Guarantees that a message points at.
const MOST_SHOWN: usize = 32;

fn not_shown(guarantees: &[&Guarantee<'_>]) -> usize {
    guarantees.len().saturating_sub(MOST_SHOWN)
}

/// What to do, and how many guarantees the message does not point at.
fn help(what: String, guarantees: &[&Guarantee<'_>]) -> String {
    match not_shown(guarantees) {
        0 => what,
        more => format!("{what} ({more} smaller ones are not shown)"),
    }
}

/// Points at every one of them, or at the largest where there are many.
fn each(problem: Problem, guarantees: &[&Guarantee<'_>]) -> Problem {
    let mut shown = guarantees.to_vec();
    if not_shown(guarantees) > 0 {
        shown.sort_by_key(|one| Reverse(one.rate));
        shown.truncate(MOST_SHOWN);
        shown.sort_by_key(|one| one.span.start);
    }
    shown.iter().fold(problem, |problem, one| {
        let kind = if one.kind == "group" { "group " } else { "" };
        problem.also(
            one.span.clone(),
            format!("{} for {kind}`{}`", one.rate, one.name),
        )
    })
}
