//! Everything that metrics are made of, as it stood at one moment.

use std::collections::BTreeMap;

use stormbolt_control::units::Nanoseconds;

use super::journal::Kind;
use super::round_trips::RoundTripTimes;
use super::run::RunCounts;
use crate::api::documents::{ClassStatus, Cpus, Interfaces, Sources, Status};
use crate::sampling::SampleCounts;
use crate::telemetry::documents::Tables;

/// Pairs of interface and class, and rules, that have series of their own where nobody says otherwise.
pub const DEFAULT_SERIES_LIMIT: usize = 2_000;
/// The most that can be asked for: more than there can be rules.
pub const MAX_SERIES_LIMIT: usize = 200_000;

/// What was known at one moment, between two ticks.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The daemon.
    pub status: Status,
    /// What it has counted of its own run.
    pub run: RunCounts,
    /// Events so far, by kind.
    pub events: Vec<(Kind, u64)>,
    /// How long the data path still takes the controller to be there; nothing: for ever.
    pub silent_in: Option<Nanoseconds>,
    /// The interfaces.
    pub interfaces: Interfaces,
    /// Classes and rules.
    pub counted: Counted,
    /// The CPUs.
    pub cpus: Cpus,
    /// Classes with a limit on each source.
    pub sources: Sources,
    /// The tables.
    pub tables: Tables,
    /// What came of sampling.
    pub sampled: SampleCounts,
    /// Round trips of TCP connections,
    pub round_trips: RoundTripTimes,
    /// and the names of their classes, by number.
    pub class_names: BTreeMap<u32, String>,
}

/// Classes and rules that have series of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Classes on each interface, in the order of the policy.
    pub classes: Vec<ClassStatus>,
    /// How many are left out.
    pub omitted_classes: usize,
    /// Rules, in the order of the policy.
    pub rules: Vec<RuleCount>,
    /// How many are left out.
    pub omitted_rules: usize,
}

/// What a rule matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// Its name.
    pub name: String,
    /// Packets since it exists.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}
