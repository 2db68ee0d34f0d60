//! What became of a change of the policy, or would, and the policies before.

use serde::{Deserialize, Serialize};
use stormbolt_control::units::BitsPerSecond;
use utoipa::ToSchema;

#[cfg(doc)]
use super::DOCUMENT_VERSION;
use crate::config::{Changed, Difference, Finding};

/// Answer of `PUT /v1/policy` and of the changes of one class, rule or set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// Version of all documents.
    pub version: u32,
    /// Generation in force now.
    pub generation: u32,
    /// What has changed beside the sets, in the order of a policy file; of a dry run, what would. Of a whole policy
    /// that was put into force it is not said: a dry run tells before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PolicyChange>,
    /// Of a dry run, what arrived lately in the classes and rules concerned, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<TrafficEffect>,
    /// Sets that differ from those of the policy before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_sets: Vec<ChangedSet>,
    /// Prefixes that a change of a set named in vain: those to add that were in it, and those to
    /// remove that were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_prefixes: Option<usize>,
    /// Where the rule stands that was added, changed or moved, from 1; of one that was deleted, where
    /// it stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_position: Option<usize>,
    /// The policy before comes back unless this one is confirmed within that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within_seconds: Option<u64>,
    /// What the daemon noticed about the policy without refusing it.
    pub warnings: Vec<Finding>,
}

/// What arrived in the last minute in something that would be different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrafficEffect {
    /// `class` or `rule`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Of a class, the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Since when: a minute ago, or since the policy is in force.
    pub within_milliseconds: u64,
    /// Of a class, what arrived on average, drops included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrived_bits_per_second: Option<BitsPerSecond>,
    /// What of that is above what the class could have had then; nothing if it would be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_bits_per_second: Option<BitsPerSecond>,
    /// Of a rule, the packets that it matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched_packets: Option<u64>,
}

/// Something in a policy that would be different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyChange {
    /// `setting`, `interface`, `class`, `group` or `rule`.
    pub kind: String,
    /// Its name; of a setting the section, if it has one.
    pub name: String,
    /// `added`, `removed`, `changed` or `moved`.
    pub change: String,
    /// The key that is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was there: a value, or all keys of what is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What is there then, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Position of a rule that was there, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_before: Option<usize>,
    /// Its position then, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_after: Option<usize>,
}

impl From<Difference> for PolicyChange {
    fn from(difference: Difference) -> Self {
        let mut change = Self {
            kind: difference.kind.to_owned(),
            name: difference.name,
            change: String::new(),
            key: None,
            before: None,
            after: None,
            position_before: None,
            position_after: None,
        };
        let what = match difference.change {
            Changed::Added(text, position) => {
                (change.after, change.position_after) = (Some(text), position);
                "added"
            }
            Changed::Removed(text, position) => {
                (change.before, change.position_before) = (Some(text), position);
                "removed"
            }
            Changed::Key(key, before, after) => {
                (change.key, change.before, change.after) = (Some(key), before, after);
                "changed"
            }
            Changed::Moved(before, after) => {
                (change.position_before, change.position_after) = (Some(before), Some(after));
                "moved"
            }
        };
        what.clone_into(&mut change.change);
        change
    }
}

/// Answer of `GET /v1/history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// Version of all documents.
    pub version: u32,
    /// The policies that are kept, the oldest first.
    pub policies: Vec<PastPolicy>,
}

/// A policy that is or was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastPolicy {
    /// Its generation.
    pub generation: u32,
    /// When it came into force, in seconds since 1970.
    pub unix_time_seconds: u64,
    /// How long ago that was, by the daemon's clock.
    pub age_seconds: u64,
    /// Where it came from: a path, or what was changed.
    pub source: String,
    /// `in-force`, `past`, `unconfirmed` for one that is in force until it is confirmed or undone, or
    /// `not-confirmed` for one that was undone.
    pub state: String,
    /// The generation that it was taken from, for one that was brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_generation: Option<u32>,
}

/// A set whose prefixes differ from those in the policy before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedSet {
    /// Its name.
    pub name: String,
    /// `defined`, `changed` or `deleted`.
    pub change: String,
    /// Prefixes that were not in it.
    pub added_prefixes: usize,
    /// Prefixes that are no longer in it.
    pub removed_prefixes: usize,
}
