//! All counters of a data path at one moment, and what moved between two moments.

use stormbolt::datapath::Datapath;
use stormbolt_common::counters::PacketCounter;
use stormbolt_common::limits::{MAX_INTERFACES, MAX_RULES, cell};
use stormbolt_common::outcome::Outcome;
use stormbolt_control::observe::CellCounters;

/// Which classes and CPU sets are looked at: those numbered below these.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// Classes, on every interface.
    pub classes: u32,
    /// CPU sets.
    pub cpu_sets: u32,
}

impl Watched {
    /// The cells of all classes that are looked at.
    pub fn cells(self) -> impl Iterator<Item = u32> {
        (0..MAX_INTERFACES)
            .flat_map(move |interface| (0..self.classes).map(move |class| cell(interface, class)))
    }
}

/// Counters, summed over the CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// By interface, then by outcome.
    pub outcomes: Vec<PacketCounter>,
    /// By counter number.
    pub rules: Vec<PacketCounter>,
    /// In the order of [`Watched::cells`].
    pub cells: Vec<CellCounters>,
    /// By slot.
    pub slots: Vec<u64>,
}

/// What changed, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Interface, outcome, and by how much.
    pub outcomes: Vec<(u32, Outcome, PacketCounter)>,
    /// Rule counter, and by how much.
    pub rules: Vec<(u32, PacketCounter)>,
    /// Cell, and by how much.
    pub cells: Vec<(u32, CellCounters)>,
    /// Slot, and by how many packets.
    pub slots: Vec<(u32, u64)>,
}

impl Counters {
    /// Reads the counters of the loaded program.
    pub fn read(datapath: &Datapath, watched: Watched) -> Self {
        let outcomes = interfaces_and_outcomes()
            .map(|(interface, outcome)| datapath.outcome_counter(interface, outcome));
        Self {
            outcomes: outcomes.collect(),
            rules: (0..MAX_RULES)
                .map(|rule| datapath.rule_counter(rule))
                .collect(),
            cells: watched
                .cells()
                .map(|cell| datapath.cell_counters(cell))
                .collect(),
            slots: (0..watched.cpu_sets)
                .flat_map(|set| datapath.slot_packets(set))
                .collect(),
        }
    }

    /// What moved since `before`.
    pub fn since(&self, before: &Self, watched: Watched) -> Moved {
        let changed = |old: PacketCounter, new: PacketCounter| PacketCounter {
            packets: new.packets - old.packets,
            bytes: new.bytes - old.bytes,
        };
        let outcomes = interfaces_and_outcomes().zip(before.outcomes.iter().zip(&self.outcomes));
        let rules = (0..).zip(before.rules.iter().zip(&self.rules));
        let cells = watched.cells().zip(before.cells.iter().zip(&self.cells));
        let slots = (0..).zip(before.slots.iter().zip(&self.slots));
        Moved {
            outcomes: outcomes
                .filter(|(_, (old, new))| old != new)
                .map(|((interface, outcome), (old, new))| (interface, outcome, changed(*old, *new)))
                .collect(),
            rules: rules
                .filter(|(_, (old, new))| old != new)
                .map(|(rule, (old, new))| (rule, changed(*old, *new)))
                .collect(),
            cells: cells
                .filter(|(_, (old, new))| old != new)
                .map(|(cell, (old, new))| (cell, between(*old, *new)))
                .collect(),
            slots: slots
                .filter(|(_, (old, new))| old != new)
                .map(|(slot, (old, new))| (slot, new - old))
                .collect(),
        }
    }
}

fn between(old: CellCounters, new: CellCounters) -> CellCounters {
    CellCounters {
        passed_packets: new.passed_packets - old.passed_packets,
        passed_bytes: new.passed_bytes - old.passed_bytes,
        dropped_packets: new.dropped_packets - old.dropped_packets,
        dropped_bytes: new.dropped_bytes - old.dropped_bytes,
    }
}

/// Every outcome on every interface, in the order of [`Counters::outcomes`].
pub fn interfaces_and_outcomes() -> impl Iterator<Item = (u32, Outcome)> {
    (0..MAX_INTERFACES).flat_map(|interface| Outcome::ALL.map(|outcome| (interface, outcome)))
}
