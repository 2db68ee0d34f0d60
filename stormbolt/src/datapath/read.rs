//! Reads counters: sums over all CPUs, without system calls.

use stormbolt_common::counters::{
    AheadCounter, ClassCell, PacketCounter, Refusals, cell_index, outcome_index, rule_index,
    slot_index,
};
use stormbolt_common::limits::SLOTS_PER_CPU_SET;
use stormbolt_common::outcome::Outcome;
use stormbolt_control::observe::CellCounters;

use super::load::Datapath;

/// Packets of one class on one interface that passed though its rate did not pay for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AheadPackets {
    /// All of them.
    pub ahead: u64,
    /// Those that were marked (RFC 3168).
    pub marked: u64,
}

impl Datapath {
    /// What has happened to one class on one interface.
    pub fn cell_counters(&self, cell: u32) -> CellCounters {
        let mut sums = [CellCounters::default()];
        self.add_cells(&[Some(cell)], &mut sums);
        let [sum] = sums;
        sum
    }

    /// The same for many of them, by position; nothing has happened where there is no cell.
    pub fn counters_of(&self, cells: &[Option<u32>]) -> Vec<CellCounters> {
        let mut sums = vec![CellCounters::default(); cells.len()];
        self.add_cells(cells, &mut sums);
        sums
    }

    /// CPU by CPU, which is how they lie in memory. Class by class, every read is of another page, and a tick over a
    /// thousand classes of 64 CPUs takes twice as long.
    fn add_cells(&self, cells: &[Option<u32>], sums: &mut [CellCounters]) {
        for cpu in 0..self.cpus {
            for (&cell, sum) in cells.iter().zip(sums.iter_mut()) {
                let Some(cell) = cell else { continue };
                let index =
                    usize::try_from(cell_index(self.cells, cpu, cell)).unwrap_or(usize::MAX);
                let one: ClassCell = self.class_cells.get(index).unwrap_or_default();
                sum.passed_packets = sum.passed_packets.wrapping_add(one.passed_packets);
                sum.passed_bytes = sum.passed_bytes.wrapping_add(one.passed_bytes);
                let refused: Refusals = self.refusals.get(index).unwrap_or_default();
                sum.dropped_packets = sum.dropped_packets.wrapping_add(refused.dropped_packets);
                sum.dropped_bytes = sum.dropped_bytes.wrapping_add(refused.dropped_bytes);
            }
        }
    }

    /// Packets of one class on one interface that passed ahead of its rate.
    pub fn ahead_packets(&self, cell: u32) -> AheadPackets {
        let mut sum = AheadPackets::default();
        for cpu in 0..self.cpus {
            let index = usize::try_from(cell_index(self.cells, cpu, cell)).unwrap_or(usize::MAX);
            let one: AheadCounter = self.ahead.get(index).unwrap_or_default();
            sum.ahead = sum.ahead.wrapping_add(one.packets);
            sum.marked = sum.marked.wrapping_add(one.marked_packets);
        }
        sum
    }

    /// Packets that a rule matched.
    pub fn rule_counter(&self, rule: u32) -> PacketCounter {
        self.sum(|cpu| {
            let index = usize::try_from(rule_index(cpu, rule)).unwrap_or(usize::MAX);
            self.rule_counters.get(index)
        })
    }

    /// Packets of an interface that ended in `outcome`.
    pub fn outcome_counter(&self, interface: u32, outcome: Outcome) -> PacketCounter {
        self.sum(|cpu| {
            let index = usize::try_from(outcome_index(cpu, interface, outcome));
            self.outcomes.get(index.unwrap_or(usize::MAX))
        })
    }

    /// Packets of each slot of a CPU set.
    pub fn slot_packets(&self, cpu_set: u32) -> Vec<u64> {
        let first = cpu_set * SLOTS_PER_CPU_SET;
        let mut sums = vec![0_u64; usize::try_from(SLOTS_PER_CPU_SET).unwrap_or(0)];
        // As the cells of classes.
        for cpu in 0..self.cpus {
            for (slot, sum) in (first..).zip(&mut sums) {
                let index = usize::try_from(slot_index(cpu, slot)).unwrap_or(usize::MAX);
                *sum = sum.wrapping_add(self.slot_packets.get(index).unwrap_or(0));
            }
        }
        sums
    }

    /// Packets that each CPU has received and taken through the program, by CPU.
    pub fn received_packets(&self, interfaces: u32) -> Vec<PacketCounter> {
        let received = |cpu| {
            let mut sum = PacketCounter::default();
            for interface in 0..interfaces {
                for outcome in Outcome::ALL {
                    let index = usize::try_from(outcome_index(cpu, interface, outcome));
                    let one = self
                        .outcomes
                        .get(index.unwrap_or(usize::MAX))
                        .unwrap_or_default();
                    sum = add(sum, one);
                }
            }
            sum
        };
        (0..self.cpus).map(received).collect()
    }

    fn sum(&self, of_cpu: impl Fn(u32) -> Option<PacketCounter>) -> PacketCounter {
        (0..self.cpus)
            .filter_map(of_cpu)
            .fold(PacketCounter::default(), add)
    }
}

fn add(sum: PacketCounter, one: PacketCounter) -> PacketCounter {
    PacketCounter {
        packets: sum.packets.wrapping_add(one.packets),
        bytes: sum.bytes.wrapping_add(one.bytes),
    }
}
