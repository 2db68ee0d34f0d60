//! Named sets of prefixes.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Policy;

/// Prefixes that one set may have.
pub const MAX_SET_PREFIXES: usize = 1_000_000;
/// Prefixes that all sets of a policy may have together.
pub const MAX_SETS_PREFIXES: usize = 4_000_000;

/// A named set of prefixes that rules refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Its name, unique in the policy.
    pub name: String,
    /// Its prefixes, host bits zero, in ascending order (IPv4 before IPv6, a prefix right before
    /// those that lie in it), each once.
    pub prefixes: Vec<IpNet>,
}

impl Set {
    /// A set of these prefixes, which are put in order.
    pub fn new(name: impl Into<String>, mut prefixes: Vec<IpNet>) -> Self {
        for prefix in &mut prefixes {
            *prefix = prefix.trunc();
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        Self {
            name: name.into(),
            prefixes,
        }
    }

    /// How many of the prefixes are IPv4; these come first.
    pub fn ipv4_prefixes(&self) -> usize {
        self.prefixes
            .partition_point(|prefix| matches!(prefix, IpNet::V4(_)))
    }
}

/// What became of a set from one policy to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetChange {
    /// Name of the set.
    pub name: String,
    /// Prefixes that were not in it.
    pub added: usize,
    /// Prefixes that are no longer in it.
    pub removed: usize,
    /// Whether the set is new, gone, or in both policies.
    pub kind: SetChangeKind,
}

/// What became of a set as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetChangeKind {
    /// Only the new policy has it.
    Defined,
    /// Both policies have it.
    Changed,
    /// Only the old policy has it.
    Deleted,
}

/// The sets that differ between two policies by name: those of `new` in its order, then those that
/// only `old` has. Takes time in proportion to all prefixes in those that the policies do not share.
pub fn set_changes(old: &Policy, new: &Policy) -> Vec<SetChange> {
    let (before, after) = (by_name(&old.sets), by_name(&new.sets));
    let mut changes = Vec::new();
    for set in &new.sets {
        let (removed, added, kind) = match before.get(set.name.as_str()) {
            Some(old) if Arc::ptr_eq(old, set) => continue,
            Some(old) => {
                let (removed, added) = differences(&old.prefixes, &set.prefixes);
                (removed, added, SetChangeKind::Changed)
            }
            None => (0, set.prefixes.len(), SetChangeKind::Defined),
        };
        if kind != SetChangeKind::Changed || removed + added > 0 {
            changes.push(SetChange {
                name: set.name.clone(),
                added,
                removed,
                kind,
            });
        }
    }
    let gone = |set: &&Arc<Set>| !after.contains_key(set.name.as_str());
    for set in old.sets.iter().filter(gone) {
        changes.push(SetChange {
            name: set.name.clone(),
            added: 0,
            removed: set.prefixes.len(),
            kind: SetChangeKind::Deleted,
        });
    }
    changes
}

fn by_name(sets: &[Arc<Set>]) -> BTreeMap<&str, &Arc<Set>> {
    sets.iter().map(|set| (set.name.as_str(), set)).collect()
}

/// How many entries are only in `old`, and how many only in `new`; both are in order.
fn differences(old: &[IpNet], new: &[IpNet]) -> (usize, usize) {
    let (mut only_old, mut only_new) = (0, 0);
    each_difference(old, new, |_, is_new| {
        only_old += usize::from(!is_new);
        only_new += usize::from(is_new);
    });
    (only_old, only_new)
}

/// The entries that are only in one of the two; both are in order.
pub(crate) fn differing_prefixes(old: &[IpNet], new: &[IpNet]) -> Vec<IpNet> {
    let mut differing = Vec::new();
    each_difference(old, new, |net, _| differing.push(net));
    differing
}

fn each_difference(old: &[IpNet], new: &[IpNet], mut then: impl FnMut(IpNet, bool)) {
    // What begins and ends alike is passed over at once: sets are long and changes mostly few.
    let pairs = old.iter().zip(new);
    let ahead = pairs.take_while(|(one, other)| one == other).count();
    let (old, new) = (old.split_at(ahead).1, new.split_at(ahead).1);
    let pairs = old.iter().rev().zip(new.iter().rev());
    let behind = pairs.take_while(|(one, other)| one == other).count();
    let (old, new) = (
        old.split_at(old.len() - behind).0,
        new.split_at(new.len() - behind).0,
    );
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(one), Some(other)) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let (before, after) = (
            old.next_if(|_| order.is_le()),
            new.next_if(|_| order.is_ge()),
        );
        match (before, after) {
            (Some(_), Some(_)) | (None, None) => {}
            (Some(&net), None) => then(net, false),
            (None, Some(&net)) => then(net, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, prefixes: &[&str]) -> Arc<Set> {
        let prefixes = prefixes.iter().map(|text| text.parse().unwrap());
        Arc::new(Set::new(name, prefixes.collect()))
    }

    fn policy(sets: Vec<Arc<Set>>) -> Policy {
        Policy {
            sets,
            ..Policy::empty()
        }
    }

    #[test]
    fn a_set_is_in_order_without_host_bits_and_duplicates() {
        let given = [
            "::/0",
            "10.1.0.0/16",
            "10.0.0.9/8",
            "10.0.0.0/8",
            "9.0.0.0/32",
        ];
        let set = set("a", &given);
        let texts: Vec<_> = set.prefixes.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["9.0.0.0/32", "10.0.0.0/8", "10.1.0.0/16", "::/0"]);
        assert_eq!(set.ipv4_prefixes(), 3);
    }

    #[test]
    fn changes_of_sets_are_counted_by_name() {
        let same = || set("same", &["10.0.0.0/8"]);
        let old = [
            set("gone", &["::1/128", "::2/128"]),
            same(),
            set("grown", &["10.0.0.0/8", "10.1.0.0/16", "::/0"]),
        ];
        let new = [
            set("grown", &["9.0.0.0/8", "10.1.0.0/16", "::/0", "::/1"]),
            same(),
            set("fresh", &[]),
        ];
        let changes = set_changes(&policy(old.into()), &policy(new.into()));
        let found: Vec<_> = changes
            .iter()
            .map(|change| {
                (
                    change.name.as_str(),
                    change.kind,
                    change.added,
                    change.removed,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("grown", SetChangeKind::Changed, 2, 1),
                ("fresh", SetChangeKind::Defined, 0, 0),
                ("gone", SetChangeKind::Deleted, 0, 2),
            ]
        );
    }
}
