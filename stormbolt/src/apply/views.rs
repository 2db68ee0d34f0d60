//! What the engine shows: the API's documents.

use stormbolt_common::counters::PacketCounter;
use stormbolt_common::outcome::Outcome;
use stormbolt_control::observe::CellCounters;
use stormbolt_control::policy::Action;
use stormbolt_control::units::BitsPerSecond;

use super::describe::describe;
use super::engine::Engine;
use crate::api::documents::{
    BUILT_IN, ClassStatus, Classes, CpuStatus, Cpus, DOCUMENT_VERSION, InterfaceStatus, Interfaces,
    OutcomeCount, RuleStatus, Rules,
};

impl Engine {
    /// The interfaces and what became of their frames.
    pub fn interfaces(&self) -> Interfaces {
        // Capacities are those in force.
        let standing = self.controller.standing().interfaces.iter();
        let interfaces = standing.zip(&self.numbers.interfaces).enumerate();
        let interfaces = interfaces.map(|(position, (interface, &number))| {
            let outcomes: Vec<OutcomeCount> = Outcome::ALL
                .map(|outcome| self.outcome(&interface.name, number, outcome))
                .into();
            let attachment = self.attachments.get(&interface.name);
            InterfaceStatus {
                name: interface.name.clone(),
                ifindex: attachment.map_or(0, |attachment| attachment.ifindex),
                mode: attachment
                    .map_or("detached", |attachment| attachment.mode.name())
                    .to_owned(),
                capacity_bits_per_second: interface.capacity,
                adaptive: self.adaptive_status(position),
                then: self.followers.get(&interface.name).cloned(),
                received_packets: outcomes.iter().map(|outcome| outcome.packets).sum(),
                received_bytes: outcomes.iter().map(|outcome| outcome.bytes).sum(),
                outcomes,
            }
        });
        Interfaces {
            version: DOCUMENT_VERSION,
            interfaces: interfaces.collect(),
        }
    }

    /// The classes on each interface.
    pub fn classes(&self) -> Classes {
        let mut classes = Vec::new();
        for (class, _) in self.policy.classes.iter().enumerate() {
            for (interface, _) in self.policy.interfaces.iter().enumerate() {
                classes.extend(self.class(interface, class));
            }
        }
        Classes {
            version: DOCUMENT_VERSION,
            classes,
        }
    }

    /// The rules and their hits. Those that are built in have no position.
    pub fn rules(&self) -> Rules {
        let numbers = self.numbers.rules.numbers.iter().zip(&self.baselines.rules);
        let rules = self.rules.all().iter().zip(numbers).enumerate();
        let rules = rules.map(|(position, (rule, (&number, &base)))| {
            let hits = since(self.datapath.rule_counter(number), base);
            RuleStatus {
                position: self.rule_position(position),
                name: rule.name.clone(),
                matches: describe(&rule.matches, &self.policy),
                action: self.action_name(rule.action),
                packets: hits.packets,
                bytes: hits.bytes,
            }
        });
        let (built_in, rules) = rules.partition(|rule| rule.position == BUILT_IN);
        Rules {
            version: DOCUMENT_VERSION,
            built_in,
            rules,
        }
    }

    /// Position that people know a rule by, from 1, by its position among all that are in force.
    pub(super) fn rule_position(&self, position: usize) -> usize {
        self.rules
            .own_position(position)
            .map_or(BUILT_IN, |own| own + 1)
    }

    /// The CPUs, what they receive and what is steered to them.
    pub fn cpus(&self) -> Cpus {
        let cpu_status = |cpu: u32, received_packets: u64, per_second: u64| {
            let (mut slots, mut steered) = (0, 0_u64);
            for (set, placement) in self.controller.placement().iter().enumerate() {
                let loads = self.controller.slot_loads(set);
                for (slot, _) in placement
                    .iter()
                    .enumerate()
                    .filter(|(_, placed)| **placed == cpu)
                {
                    slots += 1;
                    steered = steered.saturating_add(loads.get(slot).copied().unwrap_or(0));
                }
            }
            CpuStatus {
                cpu,
                received_packets,
                received_packets_per_second: per_second,
                slots,
                steered_packets_per_second: steered,
            }
        };
        let received = self.received.packets.iter().zip(&self.received.per_second);
        let cpus = (0..).zip(received);
        let cpus = cpus.map(|(cpu, (&packets, &rate))| cpu_status(cpu, packets, rate));
        Cpus {
            version: DOCUMENT_VERSION,
            cpus: cpus.collect(),
        }
    }

    pub(super) fn class(&self, interface: usize, class: usize) -> Option<ClassStatus> {
        let spec = self.policy.classes.get(class)?;
        let link = self.controller.standing().interfaces.get(interface)?;
        let estimate = self.controller.demands().get(interface)?.get(class)?;
        let rate = self.controller.rates().get(interface)?.get(class)?;
        let key = (link.name.clone(), spec.name.clone());
        let base = self.baselines.cells.get(&key).copied().unwrap_or_default();
        let cell = self.numbers.cell(interface, class)?;
        let total = cell_since(self.datapath.cell_counters(cell), base);
        let base = self.baselines.ahead.get(&key).copied().unwrap_or_default();
        let ahead = self.datapath.ahead_packets(cell);
        Some(ClassStatus {
            name: spec.name.clone(),
            interface: link.name.clone(),
            groups: self.group_names(class),
            priority: spec.priority,
            guarantee_bits_per_second: spec.rate,
            ceil_bits_per_second: spec
                .ceil
                .unwrap_or(BitsPerSecond(u64::MAX))
                .min(link.capacity),
            rate_bits_per_second: *rate,
            offered_bits_per_second: estimate.offered,
            passed_bits_per_second: estimate.passed,
            passed_packets: total.passed_packets,
            passed_bytes: total.passed_bytes,
            dropped_packets: total.dropped_packets,
            dropped_bytes: total.dropped_bytes,
            ahead_packets: ahead.ahead.wrapping_sub(base.ahead),
            marked_packets: ahead.marked.wrapping_sub(base.marked),
            cpus: spec
                .cpus
                .iter()
                .flat_map(|set| set.0.iter().copied())
                .collect(),
        })
    }

    /// The groups that a class is in, the outermost first.
    fn group_names(&self, class: usize) -> Vec<String> {
        let groups = self.policy.groups_of(class);
        let names = groups.filter_map(|group| Some(self.policy.groups.get(group)?.name.clone()));
        let mut names: Vec<String> = names.collect();
        names.reverse();
        names
    }

    /// The class, or `pass`, or `drop`.
    pub(super) fn action_name(&self, action: Action) -> String {
        match action {
            Action::Class(class) => self.class_name(class),
            Action::Pass => "pass".to_owned(),
            Action::Drop => "drop".to_owned(),
            Action::ShadowDrop => "shadow-drop".to_owned(),
        }
    }

    pub(super) fn class_name(&self, class: usize) -> String {
        self.policy
            .classes
            .get(class)
            .map(|class| class.name.clone())
            .unwrap_or_default()
    }

    fn outcome(&self, name: &str, number: u32, outcome: Outcome) -> OutcomeCount {
        let key = (name.to_owned(), outcome);
        let base = self
            .baselines
            .outcomes
            .get(&key)
            .copied()
            .unwrap_or_default();
        let count = since(self.datapath.outcome_counter(number, outcome), base);
        OutcomeCount {
            outcome: outcome.name().to_owned(),
            dropped: outcome.is_drop(),
            packets: count.packets,
            bytes: count.bytes,
        }
    }
}

pub(super) fn since(now: PacketCounter, base: PacketCounter) -> PacketCounter {
    PacketCounter {
        packets: now.packets.wrapping_sub(base.packets),
        bytes: now.bytes.wrapping_sub(base.bytes),
    }
}

fn cell_since(now: CellCounters, base: CellCounters) -> CellCounters {
    CellCounters {
        passed_packets: now.passed_packets.wrapping_sub(base.passed_packets),
        passed_bytes: now.passed_bytes.wrapping_sub(base.passed_bytes),
        dropped_packets: now.dropped_packets.wrapping_sub(base.dropped_packets),
        dropped_bytes: now.dropped_bytes.wrapping_sub(base.dropped_bytes),
    }
}
