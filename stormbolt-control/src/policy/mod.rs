//! A policy: interfaces, classes, sets and rules, checked and with every name resolved.
//!
//! This is what a policy *means*; how it is written in a file, and the messages about it, belong to
//! the shell (`stormbolt/src/config`). A [`Policy`] that exists is valid as far as one policy can
//! tell: names are resolved to indices, limits are kept, guarantees fit their links.

mod class;
mod group;
mod interface;
mod kept;
mod law;
mod management;
mod per_source;
mod rule;
mod set;
mod set_edit;
mod tables;
mod treatment;

pub use class::{Class, CpuSet};
pub use group::{Group, MAX_GROUPS, MAX_LEVELS};
pub use interface::{Adaptive, AttachMode, Interface, MAX_PROBES};
pub use kept::kept_rules;
pub use law::Law;
pub use management::{MANAGEMENT_RULE, Management, RulesInForce};
pub use per_source::PerSource;
pub use rule::{Accepts, Action, Addresses, FragmentMatch, Range, Rule, RuleMatch, TcpFlagsMatch};
pub(crate) use set::differing_prefixes;
pub use set::{MAX_SET_PREFIXES, MAX_SETS_PREFIXES, Set, SetChange, SetChangeKind, set_changes};
pub use set_edit::EditedSet;
pub use tables::TableWishes;
pub use treatment::Treatment;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::units::Nanoseconds;

/// Rules that a policy may have: as many as there are, but for the one that is built in.
pub const MAX_OWN_RULES: u32 = stormbolt_common::limits::MAX_RULES - 1;

/// One document, applied as a whole under one generation number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The controller's period Δt, 10 ms to 10 s.
    pub interval: Nanoseconds,
    /// How capacity is shared out.
    pub law: Law,
    /// What happens when the controller is silent.
    pub failsafe: Failsafe,
    /// Whether everything that would be dropped is counted as that, and passes.
    pub shadow: bool,
    /// How large the tables in the kernel are to be.
    pub tables: TableWishes,
    /// Interfaces to attach to; at most [`stormbolt_common::limits::MAX_INTERFACES`].
    pub interfaces: Vec<Interface>,
    /// Classes; at least one, at most [`stormbolt_common::limits::MAX_CLASSES`]. Rules and
    /// `default_class` refer to them by position.
    pub classes: Vec<Class>,
    /// Groups of classes, at most [`MAX_GROUPS`], at most three inside each other. Classes and other groups
    /// refer to them by position.
    pub groups: Vec<Group>,
    /// Named sets of prefixes, at most [`MAX_SETS_PREFIXES`] prefixes in all. Rules refer to them by
    /// position.
    pub sets: Vec<Arc<Set>>,
    /// What passes before any rule is asked.
    pub management: Management,
    /// Rules, first match wins; at most [`MAX_OWN_RULES`].
    pub rules: Vec<Arc<Rule>>,
    /// Position of the class of packets that no rule matches.
    pub default_class: usize,
    /// What happens to malformed IP packets.
    pub malformed: Malformed,
}

impl Policy {
    /// A policy without anything in it, not even what is built in, which holds for nobody.
    pub fn empty() -> Self {
        Self {
            interval: Nanoseconds::from_millis(100),
            law: Law::default(),
            failsafe: Failsafe::default(),
            shadow: false,
            tables: TableWishes::default(),
            interfaces: Vec::new(),
            classes: Vec::new(),
            groups: Vec::new(),
            sets: Vec::new(),
            management: Management {
                exempt: false,
                ..Management::default()
            },
            rules: Vec::new(),
            default_class: 0,
            malformed: Malformed::default(),
        }
    }
}

/// What the data path does by itself when it has not heard from the controller for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failsafe {
    /// To what rates it holds the classes.
    pub mode: FailsafeMode,
    /// After how long a silence; at least three intervals.
    pub after: Nanoseconds,
}

impl Default for Failsafe {
    fn default() -> Self {
        Self {
            mode: FailsafeMode::default(),
            after: Nanoseconds::from_millis(1_000),
        }
    }
}

/// The rates of classes when the controller is silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailsafeMode {
    /// Those that stand.
    #[default]
    Hold,
    /// The guarantees; classes without one share what the guarantees leave. Nothing is borrowed.
    Guaranteed,
    /// None: everything passes that a rule puts into a class.
    Open,
}

/// What happens to a packet whose headers contradict themselves or the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Malformed {
    /// Dropped and counted by reason.
    #[default]
    Drop,
    /// Passed to the stack and counted.
    Pass,
}
