//! Groups of classes.

use serde::{Deserialize, Serialize};

use super::Policy;
use crate::units::BitsPerSecond;

/// Levels of groups and classes below an interface: a class is in at most three groups inside each other.
pub const MAX_LEVELS: usize = 4;

/// Groups in one policy.
pub const MAX_GROUPS: u32 = 131_072;

/// Classes and groups that share what they have together. Rates hold per interface, as those of classes do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name, unique among the groups of the policy.
    pub name: String,
    /// The group that it is in, by position; `None`: it stands beside the classes without a group.
    pub parent: Option<usize>,
    /// 0 is served first, 7 last, beside what is in the same group.
    pub priority: u8,
    /// Guaranteed to all members together; at least what they are guaranteed each.
    pub rate: BitsPerSecond,
    /// What all members have together at most; `None`: the interface's capacity.
    pub ceil: Option<BitsPerSecond>,
    /// Share beside what is in the same group and has the same priority, 1 to 1000.
    pub weight: u32,
}

impl Policy {
    /// The groups that a class is in, by position, the innermost first.
    pub fn groups_of(&self, class: usize) -> impl Iterator<Item = usize> {
        let innermost = self.classes.get(class).and_then(|class| class.group);
        self.group_and_parents(innermost)
    }

    /// A group and those that it is in, by position, the innermost first.
    pub fn group_and_parents(&self, group: Option<usize>) -> impl Iterator<Item = usize> {
        let parent = |group: &usize| self.groups.get(*group).and_then(|group| group.parent);
        // Bounded, so that not even a policy that is not valid goes round for ever.
        std::iter::successors(group, parent).take(MAX_LEVELS)
    }

    /// Whether a group that the class is in has a ceil below what `capacity` is.
    pub fn is_capped(&self, class: usize, capacity: BitsPerSecond) -> bool {
        self.groups_of(class).any(|group| {
            self.groups
                .get(group)
                .is_some_and(|group| group.is_capped(capacity))
        })
    }
}

impl Group {
    /// Whether its ceil is below `capacity`.
    pub fn is_capped(&self, capacity: BitsPerSecond) -> bool {
        self.ceil.is_some_and(|ceil| ceil < capacity)
    }
}
