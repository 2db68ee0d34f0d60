//! Sets by name: how large they are, who uses them, and what became of them.

use stormbolt_control::policy::{Policy, RuleMatch, RulesInForce, SetChangeKind, set_changes};

use super::documents::{ChangedSet, DOCUMENT_VERSION, SetStatus, Sets};

/// The sets of a policy.
pub(super) fn sets(policy: &Policy) -> Sets {
    let mut users: Vec<Vec<String>> = vec![Vec::new(); policy.sets.len()];
    for rule in RulesInForce::of(policy).all() {
        let mut positions = positions(&rule.matches);
        positions.sort_unstable();
        positions.dedup();
        for position in positions {
            if let Some(users) = users.get_mut(position) {
                users.push(rule.name.clone());
            }
        }
    }
    let sets = policy.sets.iter().zip(users).map(|(set, rules)| {
        let ipv4_prefixes = set.ipv4_prefixes();
        SetStatus {
            name: set.name.clone(),
            ipv4_prefixes,
            ipv6_prefixes: set.prefixes.len() - ipv4_prefixes,
            rules,
        }
    });
    Sets {
        version: DOCUMENT_VERSION,
        sets: sets.collect(),
    }
}

/// The sets that a rule refers to.
fn positions(matches: &RuleMatch) -> Vec<usize> {
    let sides = [&matches.source, &matches.destination];
    let given = sides.into_iter().flatten();
    given
        .flat_map(|addresses| addresses.sets.iter().copied())
        .collect()
}

/// What becomes of the sets when `new` follows `old`.
pub(super) fn changed_sets(old: &Policy, new: &Policy) -> Vec<ChangedSet> {
    let changes = set_changes(old, new).into_iter();
    let changes = changes.map(|change| ChangedSet {
        name: change.name,
        change: match change.kind {
            SetChangeKind::Defined => "defined",
            SetChangeKind::Changed => "changed",
            SetChangeKind::Deleted => "deleted",
        }
        .to_owned(),
        added_prefixes: change.added,
        removed_prefixes: change.removed,
    });
    changes.collect()
}
