//! What the engine remembers of counters, which only grow.

use std::collections::BTreeMap;

use stormbolt_common::counters::PacketCounter;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::source::SourceCounters;
use stormbolt_control::observe::CellCounters;
use stormbolt_control::policy::Policy;

use super::engine::Engine;
use super::plan::Numbers;
use crate::datapath::AheadPackets;

/// Counters as they stood when a number was given to a class, rule or interface, since numbers are
/// given out again while the counters in the kernel only grow.
#[derive(Default)]
pub(super) struct Baselines {
    pub(super) cells: BTreeMap<(String, String), CellCounters>,
    pub(super) ahead: BTreeMap<(String, String), AheadPackets>,
    /// Of classes with a limit on each source.
    pub(super) sources: BTreeMap<(String, String), SourceCounters>,
    /// By position among all rules in force.
    pub(super) rules: Vec<PacketCounter>,
    pub(super) outcomes: BTreeMap<(String, Outcome), PacketCounter>,
}

impl Engine {
    /// Remembers the counters of everything that has just got a number.
    pub(super) fn take_baselines(&mut self, policy: &Policy, numbers: &Numbers) {
        let rules = numbers.rules.numbers.iter().zip(&numbers.rules.before);
        let rules = rules.map(|(&number, before)| {
            let before = before.and_then(|position| usize::try_from(position).ok());
            let kept = before.and_then(|position| self.baselines.rules.get(position));
            let kept = kept.or_else(|| numbers.rules.continued.get(&number));
            kept.copied()
                .unwrap_or_else(|| self.datapath.rule_counter(number))
        });
        let rules: Vec<_> = rules.collect();
        let mut cells = BTreeMap::new();
        let mut ahead = BTreeMap::new();
        let mut outcomes = BTreeMap::new();
        let mut sources = BTreeMap::new();
        for (position, (interface, &number)) in policy
            .interfaces
            .iter()
            .zip(&numbers.interfaces)
            .enumerate()
        {
            let known = self.numbers.interface_ids.has(&interface.name);
            for outcome in Outcome::ALL {
                let key = (interface.name.clone(), outcome);
                let kept = self.baselines.outcomes.get(&key).filter(|_| known).copied();
                let now = || self.datapath.outcome_counter(number, outcome);
                outcomes.insert(key, kept.unwrap_or_else(now));
            }
            for (class_position, class) in policy.classes.iter().enumerate() {
                let known = known && self.numbers.class_ids.has(&class.name);
                let key = (interface.name.clone(), class.name.clone());
                let kept = self.baselines.cells.get(&key).filter(|_| known).copied();
                let cell = numbers.cell(position, class_position);
                let now = || {
                    cell.map(|cell| self.datapath.cell_counters(cell))
                        .unwrap_or_default()
                };
                cells.insert(key.clone(), kept.unwrap_or_else(now));
                let kept = self.baselines.ahead.get(&key).filter(|_| known).copied();
                let now = || cell.map(|cell| self.datapath.ahead_packets(cell));
                ahead.insert(key.clone(), kept.or_else(now).unwrap_or_default());
                if class.per_source.is_some() {
                    let kept = self.baselines.sources.get(&key).filter(|_| known).copied();
                    let now = || cell.map(|cell| self.datapath.source_counters(cell));
                    sources.insert(key, kept.or_else(now).unwrap_or_default());
                }
            }
        }
        self.baselines = Baselines {
            cells,
            ahead,
            sources,
            rules,
            outcomes,
        };
    }
}
