//! Observe: reads what the data path has counted.

use stormbolt_control::observe::Observation;
use stormbolt_control::units::Nanoseconds;

use super::engine::Engine;

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

impl Engine {
    /// What the controller is to know of this moment.
    pub(super) fn observe(&self, now: Nanoseconds) -> Observation {
        let classes = 0..self.policy.classes.len();
        let cells_of = |interface| {
            let cells = classes
                .clone()
                .map(|class| self.numbers.cell(interface, class));
            self.datapath.counters_of(&cells.collect::<Vec<_>>())
        };
        Observation {
            now,
            cells: (0..self.policy.interfaces.len()).map(cells_of).collect(),
            slot_packets: self
                .numbers
                .cpu_sets
                .iter()
                .map(|&cpu_set| self.datapath.slot_packets(cpu_set))
                .collect(),
            links: Vec::new(),
        }
    }

    /// Takes note of what each CPU has received.
    pub(super) fn measure_cpus(&mut self, now: Nanoseconds) {
        let counters = self
            .datapath
            .received_packets(stormbolt_common::limits::MAX_INTERFACES);
        let packets: Vec<u64> = counters.iter().map(|counter| counter.packets).collect();
        let span = now.since(self.received.at);
        let before = self
            .received
            .packets
            .iter()
            .copied()
            .chain(std::iter::repeat(0));
        let per_second = packets
            .iter()
            .zip(before)
            .map(|(&packets, before)| per_second(packets.wrapping_sub(before), span))
            .collect();
        self.received = Received {
            at: now,
            packets,
            per_second,
        };
    }
}

fn per_second(count: u64, span: Nanoseconds) -> u64 {
    let scaled = u128::from(count) * 1_000_000_000 / u128::from(span.0.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
