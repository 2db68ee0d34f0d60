//! What the engine remembers of counters, which only grow.

use std::collections::BTreeMap;

use stormbolt_common::counters::PacketCounter;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::source::SourceCounters;
use stormbolt_control::observe::CellCounters;
use stormbolt_control::units::Nanoseconds;

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

/// Packets per CPU at the last two ticks.
pub(super) struct Received {
    pub(super) at: Nanoseconds,
    pub(super) packets: Vec<u64>,
    pub(super) per_second: Vec<u64>,
}

impl Received {
    /// What there is before the first tick.
    pub(super) fn nothing(cpus: u32) -> Self {
        let none = vec![0; usize::try_from(cpus).unwrap_or(0)];
        Self {
            at: Nanoseconds::default(),
            packets: none.clone(),
            per_second: none,
        }
    }
}
