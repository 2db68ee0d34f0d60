//! What the engine remembers of counters, which only grow.

use std::collections::BTreeMap;

use stormbolt_common::counters::PacketCounter;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::source::SourceCounters;
use stormbolt_control::observe::CellCounters;

/// Counters as they stood when a number was given to a class, rule or interface, since numbers are
/// given out again while the counters in the kernel only grow.
#[derive(Default)]
pub(super) struct Baselines {
    pub(super) cells: BTreeMap<(String, String), CellCounters>,
    /// Of classes with a limit on each source.
    pub(super) sources: BTreeMap<(String, String), SourceCounters>,
    /// By position in the policy.
    pub(super) rules: Vec<PacketCounter>,
    pub(super) outcomes: BTreeMap<(String, Outcome), PacketCounter>,
}
