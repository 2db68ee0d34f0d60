//! The tables of sources and their limits.

use aya::Ebpf;
use stormbolt_common::counters::cell_index;
use stormbolt_common::policy::POLICY_SLOTS;
use stormbolt_common::source::{
    MAX_SOURCE_LIMITS, MAX_SOURCES, OFFENDER_SETS, Offender, OffenderSet, SOURCES_PER_LINE,
    SourceCounters, SourceLimit,
};
use stormbolt_control::units::Nanoseconds;

use super::error::DatapathError;
use super::load::{Datapath, mapped};
use super::mapped::MappedArray;
use super::maps;

/// What of them is mapped into memory.
pub(super) struct SourceTables {
    pub(super) limits: MappedArray<SourceLimit>,
    counters: MappedArray<SourceCounters>,
    offenders: MappedArray<OffenderSet>,
    tick_ns: u32,
}

/// Sources that have a bucket of their own where nobody says how many: half a MiB of them.
pub const DEFAULT_SOURCES: u32 = 65_536;

/// Lines of the sources' buckets.
pub(super) fn source_lines(sources: u32) -> u32 {
    let a_line = u32::try_from(SOURCES_PER_LINE).unwrap_or(1);
    let lines = sources.min(MAX_SOURCES).div_ceil(a_line);
    lines.max(1).next_power_of_two()
}

impl SourceTables {
    /// Those of a loaded object, for so many CPUs and cells.
    pub(super) fn of(
        ebpf: &Ebpf,
        cpus: u32,
        cells: u32,
        tick_ns: u32,
    ) -> Result<Self, DatapathError> {
        let array = |name| {
            ebpf.map(name)
                .ok_or(DatapathError::Missing { kind: "map", name })
        };
        Ok(Self {
            limits: mapped(
                array(maps::SOURCE_LIMITS)?,
                maps::SOURCE_LIMITS,
                POLICY_SLOTS * (MAX_SOURCE_LIMITS + 1),
            )?,
            counters: mapped(
                array(maps::SOURCE_COUNTERS)?,
                maps::SOURCE_COUNTERS,
                cpus.saturating_mul(cells),
            )?,
            offenders: mapped(
                array(maps::OFFENDERS)?,
                maps::OFFENDERS,
                cpus * OFFENDER_SETS,
            )?,
            tick_ns,
        })
    }
}

/// How often a set is read while a CPU writes to it.
const ATTEMPTS: u32 = 4;

impl Datapath {
    /// What was refused of the sources of one class on one interface.
    pub fn source_counters(&self, cell: u32) -> SourceCounters {
        let mut sum = SourceCounters::default();
        for cpu in 0..self.cpus {
            let index = cell_index(self.cells, cpu, cell);
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            let one = self.sources.counters.get(index).unwrap_or_default();
            sum.refused_packets = sum.refused_packets.wrapping_add(one.refused_packets);
            sum.refused_bytes = sum.refused_bytes.wrapping_add(one.refused_bytes);
            sum.displaced = sum.displaced.wrapping_add(one.displaced);
        }
        sum
    }

    /// The sources that were refused most, each CPU's after the other's.
    pub fn offenders(&self) -> Vec<Offender> {
        let sets = 0..usize::try_from(self.cpus * OFFENDER_SETS).unwrap_or(0);
        let sets = sets.filter_map(|set| self.offender_set(set));
        let all = sets.flat_map(|set| set.offenders);
        // A set that was emptied while a CPU wrote to it may have an entry without an address.
        let is_whole = |one: &Offender| one.weight > 0 && one.halves != [0; 2];
        all.filter(is_whole).collect()
    }

    /// A set that no CPU was writing to while it was read, if that can be had at all: else a source may be shown with the
    /// counts of the one whose place it took.
    fn offender_set(&self, set: usize) -> Option<OffenderSet> {
        let mut last = self.sources.offenders.get(set)?;
        for _ in 0..ATTEMPTS {
            let again = self.sources.offenders.get(set)?;
            if again == last {
                break;
            }
            last = again;
        }
        Some(last)
    }

    /// Seconds from a jiffy, of which the lower half is known, to `now`.
    pub fn seconds_since_jiffy(&self, jiffy: u32, now: Nanoseconds) -> u64 {
        let tick_ns = u64::from(self.sources.tick_ns.max(1));
        // The kernel begins five minutes before the count wraps (`INITIAL_JIFFIES` in `linux/jiffies.h`).
        let first = 0_u64.wrapping_sub(300 * 1_000_000_000 / tick_ns);
        let jiffies = first.wrapping_add(now.0 / tick_ns);
        let now_low = u32::try_from(jiffies & u64::from(u32::MAX)).unwrap_or(0);
        let passed = now_low.wrapping_sub(jiffy);
        // Refused after the last tick of the controller, which comes every ten seconds at least.
        let passed = if passed > u32::MAX - 20_000 {
            0
        } else {
            passed
        };
        u64::from(passed) * tick_ns / 1_000_000_000
    }

    /// Forgets these sources.
    pub fn forget_offenders(&self) {
        for set in 0..usize::try_from(self.cpus * OFFENDER_SETS).unwrap_or(0) {
            self.sources.offenders.set(set, OffenderSet::default());
        }
    }
}
