//! What an engine tells the one that comes after it in another process: which number everything has, and how
//! counters stood when it got it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stormbolt_common::counters::PacketCounter;
use stormbolt_common::limits::{MAX_RULES, cell};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::source::SourceCounters;
use stormbolt_control::observe::CellCounters;
use stormbolt_control::policy::{Policy, Rule};

use super::engine::Engine;
use super::plan::Numbers;
use super::rule_numbers::{InheritedRules, rule_number_key};
use crate::causes::with_causes;
use crate::daemon::clock;
use crate::datapath::{AheadPackets, NumberedRule};

/// Numbers by name. Counters are left out where they stood at zero, which is mostly.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Names {
    interfaces: BTreeMap<String, u32>,
    classes: BTreeMap<String, u32>,
    /// By interface and class: packets and bytes passed, packets and bytes dropped.
    cells: Vec<(String, String, [u64; 4])>,
    /// By interface and class: packets that passed ahead of the rate, and those of them that were marked.
    #[serde(default)]
    ahead: Vec<(String, String, [u64; 2])>,
    /// By interface and class, of all that have a limit on each source: packets and bytes refused, displaced.
    sources: Vec<(String, String, [u64; 3])>,
    /// By interface and number of the outcome: packets and bytes.
    outcomes: Vec<(String, u32, [u64; 2])>,
}

impl Engine {
    /// Goes on with the numbers that the daemon before has given, where its tables are still there.
    pub(super) fn inherit(&mut self) {
        let Some(names) = self.datapath.inherited_names() else {
            return;
        };
        let names = serde_json::from_value::<Names>(names.clone()).unwrap_or_default();
        if self.datapath.continues() {
            tracing::info!("going on with the counters and buckets of the daemon before");
            self.inherit_baselines(&names);
            self.numbers.rules.inherited = InheritedRules::of(&self.datapath.numbered_rules());
        } else {
            tracing::info!(
                "the tables of the daemon before are not like ours: its program runs until ours can, and \
                 counters begin anew"
            );
        }
        self.numbers.interface_ids.restore(names.interfaces);
        self.numbers.class_ids.restore(names.classes);
    }

    /// Lets the buckets of the daemon before go on, where its tables do not.
    pub(super) fn inherit_buckets(&mut self) {
        let pairs = self.numbers.interfaces.iter();
        let pairs = pairs.flat_map(|&interface| {
            let classes = self.numbers.classes.iter();
            classes.map(move |&class| cell(interface, class))
        });
        let cells: Vec<u32> = pairs.collect();
        let interfaces = self.numbers.interfaces.clone();
        let inherited = self
            .datapath
            .inherit_buckets(&cells, &interfaces, clock::now());
        if let Err(error) = inherited {
            let reason = with_causes(&error);
            tracing::warn!("classes may have their bursts once more: {reason}");
        }
    }

    fn inherit_baselines(&mut self, names: &Names) {
        for interface in names.interfaces.keys() {
            for outcome in Outcome::ALL {
                let key = (interface.clone(), outcome);
                self.baselines
                    .outcomes
                    .insert(key, PacketCounter::default());
            }
            for class in names.classes.keys() {
                let key = (interface.clone(), class.clone());
                self.baselines
                    .ahead
                    .insert(key.clone(), AheadPackets::default());
                self.baselines.cells.insert(key, CellCounters::default());
            }
        }
        for (interface, class, counters) in &names.cells {
            let [passed_packets, passed_bytes, dropped_packets, dropped_bytes] = *counters;
            let base = CellCounters {
                passed_packets,
                passed_bytes,
                dropped_packets,
                dropped_bytes,
            };
            let key = (interface.clone(), class.clone());
            self.baselines.cells.insert(key, base);
        }
        for (interface, class, [ahead, marked]) in &names.ahead {
            let (ahead, marked) = (*ahead, *marked);
            let key = (interface.clone(), class.clone());
            let base = AheadPackets { ahead, marked };
            self.baselines.ahead.insert(key, base);
        }
        for (interface, class, counters) in &names.sources {
            let [refused_packets, refused_bytes, displaced] = *counters;
            let base = SourceCounters {
                refused_packets,
                refused_bytes,
                displaced,
                ..SourceCounters::default()
            };
            let key = (interface.clone(), class.clone());
            self.baselines.sources.insert(key, base);
        }
        for (interface, number, [packets, bytes]) in &names.outcomes {
            let outcome = Outcome::ALL.into_iter().find(|one| one.index() == *number);
            if let Some(outcome) = outcome {
                let (packets, bytes) = (*packets, *bytes);
                let key = (interface.clone(), outcome);
                let base = PacketCounter { packets, bytes };
                self.baselines.outcomes.insert(key, base);
            }
        }
    }

    /// Remembers the rules that have just got a number, and forgets those that have none any more.
    pub(super) fn remember_rules(&self, policy: &Policy, rules: &[Arc<Rule>], numbers: &Numbers) {
        if !self.datapath.is_pinned() {
            return;
        }
        let mut taken = vec![false; index(MAX_RULES)];
        let rules = rules.iter().zip(&numbers.rules.numbers);
        let rules = rules.zip(&numbers.rules.before);
        for (((rule, &number), before), &base) in rules.zip(&self.baselines.rules) {
            if let Some(taken) = taken.get_mut(index(number)) {
                *taken = true;
            }
            if before.is_none() {
                let key = rule_number_key(rule, policy);
                self.datapath
                    .remember_rule(NumberedRule { key, number, base });
            }
        }
        let inherited = self.numbers.rules.inherited.numbers();
        let before = self.numbers.rules.numbers.iter().copied();
        for number in before.chain(inherited) {
            if !taken.get(index(number)).copied().unwrap_or(true) {
                self.datapath.forget_rule(number);
            }
        }
    }

    /// Remembers the numbers in force. Traffic is managed all the same where that fails.
    pub(super) fn remember(&self) {
        if !self.datapath.is_pinned() {
            return;
        }
        let names = serde_json::to_value(self.names()).map_err(|error| with_causes(&error));
        let remembered = names.and_then(|names| {
            let remembered = self.datapath.remember(names);
            remembered.map_err(|error| with_causes(&error))
        });
        if let Err(reason) = remembered {
            tracing::warn!("counters would begin anew after a restart: {reason}");
        }
    }

    fn names(&self) -> Names {
        let cells = self.baselines.cells.iter();
        let cells = cells.filter(|(_, base)| **base != CellCounters::default());
        let ahead = self.baselines.ahead.iter();
        let ahead = ahead.filter(|(_, base)| **base != AheadPackets::default());
        let sources = self.baselines.sources.iter();
        let outcomes = self.baselines.outcomes.iter();
        let outcomes = outcomes.filter(|(_, base)| **base != PacketCounter::default());
        Names {
            interfaces: self.numbers.interface_ids.numbers().clone(),
            classes: self.numbers.class_ids.numbers().clone(),
            cells: cells
                .map(|((interface, class), base)| {
                    let counters = [
                        base.passed_packets,
                        base.passed_bytes,
                        base.dropped_packets,
                        base.dropped_bytes,
                    ];
                    (interface.clone(), class.clone(), counters)
                })
                .collect(),
            ahead: ahead
                .map(|((interface, class), base)| {
                    let counters = [base.ahead, base.marked];
                    (interface.clone(), class.clone(), counters)
                })
                .collect(),
            sources: sources
                .map(|((interface, class), base)| {
                    let counters = [base.refused_packets, base.refused_bytes, base.displaced];
                    (interface.clone(), class.clone(), counters)
                })
                .collect(),
            outcomes: outcomes
                .map(|((interface, outcome), base)| {
                    let counters = [base.packets, base.bytes];
                    (interface.clone(), outcome.index(), counters)
                })
                .collect(),
        }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
