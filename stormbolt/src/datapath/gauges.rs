//! Reads how full the tables are and how well the flow cache does.

use std::mem::offset_of;

use aya::maps::Array;
use stormbolt_common::classifier::Lanes;
use stormbolt_common::counters::{PacketCounter, rule_index};
use stormbolt_common::flow_cache::FlowGauge;
use stormbolt_common::source::SourceLine;
use stormbolt_control::units::Nanoseconds;

use super::error::DatapathError;
use super::load::Datapath;
use super::mapped::MappedArray;
use super::maps;

/// Lines of sources that are looked at. A hash spreads sources over the lines, so the first are like all others; so
/// many tell how full all are to within 1 %.
const LINES_LOOKED_AT: u32 = 4096;

/// The words of a [`Lanes`], which are not mapped into memory.
type LaneWords = [u32; size_of::<Lanes>() / 4];

/// Of how many places how many are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Those that are taken.
    pub taken: u64,
    /// All of them.
    pub of: u64,
}

impl Datapath {
    /// How well the flow cache of each CPU does, by CPU.
    ///
    /// # Errors
    /// The kernel does not let the map be read.
    pub fn flow_gauges(&self) -> Result<Vec<FlowGauge>, DatapathError> {
        let name = maps::LANES;
        let map = self.ebpf.map(name);
        let map = map.ok_or(DatapathError::Missing { kind: "map", name })?;
        let lanes: Array<_, LaneWords> =
            Array::try_from(map).map_err(DatapathError::map("open", name))?;
        let gauge = |cpu| {
            let words = lanes.get(&cpu, 0);
            words
                .map(flow_gauge)
                .map_err(DatapathError::map("read", name))
        };
        (0..self.cpus).map(gauge).collect()
    }

    /// Packets that each of these rules matched, by position.
    pub fn rule_counters_of(&self, rules: &[u32]) -> Vec<PacketCounter> {
        let mut sums = vec![PacketCounter::default(); rules.len()];
        // CPU by CPU, as the cells of classes are.
        for cpu in 0..self.cpus {
            for (&rule, sum) in rules.iter().zip(&mut sums) {
                let index = usize::try_from(rule_index(cpu, rule)).unwrap_or(usize::MAX);
                let one = self.rule_counters.get(index).unwrap_or_default();
                sum.packets = sum.packets.wrapping_add(one.packets);
                sum.bytes = sum.bytes.wrapping_add(one.bytes);
            }
        }
        sums
    }

    /// How many of the sources' buckets have been used, by a sample of them.
    ///
    /// # Errors
    /// The kernel does not let the map be read.
    pub fn used_sources(&self) -> Result<Taken, DatapathError> {
        let name = maps::SOURCES;
        let map = self.ebpf.map(name);
        let map = map.ok_or(DatapathError::Missing { kind: "map", name })?;
        let lines = self.source_lines.min(LINES_LOOKED_AT);
        let lines = usize::try_from(lines).unwrap_or(0);
        let table = MappedArray::<SourceLine>::of(name, map, lines)?;
        let mut sample = Taken::default();
        for line in (0..lines).filter_map(|line| table.get(line)) {
            for bucket in line.buckets {
                sample.of += 1;
                sample.taken += u64::from(bucket != 0);
            }
        }
        let buckets = u64::try_from(SourceLine::default().buckets.len()).unwrap_or(1);
        let of = u64::from(self.source_lines) * buckets;
        Ok(Taken {
            taken: sample.taken.saturating_mul(of) / sample.of.max(1),
            of,
        })
    }

    /// From when on the data path takes the controller to be silent.
    pub fn silent_from(&self) -> Nanoseconds {
        let active = self.active.get(0).unwrap_or_default();
        Nanoseconds(active.silent_from_ns)
    }
}

/// The gauge behind the lanes.
fn flow_gauge(words: LaneWords) -> FlowGauge {
    let first = (offset_of!(Lanes, flows)) / 4;
    let word = |place: usize| words.get(first + place).copied().unwrap_or(0);
    FlowGauge {
        left: word(offset_of!(FlowGauge, left) / 4),
        looked_up: word(offset_of!(FlowGauge, looked_up) / 4),
        missed: word(offset_of!(FlowGauge, missed) / 4),
        is_sampling: word(offset_of!(FlowGauge, is_sampling) / 4),
        windows: word(offset_of!(FlowGauge, windows) / 4),
        reserved: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gauge_is_found_behind_the_lanes() {
        let mut words = [7; size_of::<Lanes>() / 4];
        let first = offset_of!(Lanes, flows) / 4;
        for (place, word) in (1..).zip(&mut words[first..first + 5]) {
            *word = place;
        }
        let expected = FlowGauge {
            left: 1,
            looked_up: 2,
            missed: 3,
            is_sampling: 4,
            windows: 5,
            reserved: 0,
        };
        assert_eq!(flow_gauge(words), expected);
    }
}
