//! Loads the program and opens its maps.

use std::collections::BTreeSet;

use aya::maps::{Map, MapError, ProgramArray};
use aya::programs::Xdp;
use aya::{Ebpf, EbpfError, EbpfLoader};
use stormbolt_common::classifier::{BLOCK_WORDS, Block, MAX_BLOCKS};
use stormbolt_common::counters::{
    AheadCounter, ClassCell, OUTCOMES_PER_CPU, PacketCounter, Refusals,
};
use stormbolt_common::explain::Explained;
use stormbolt_common::flow_cache::{FLOWS_OF_LINE, MAX_FLOWS};
use stormbolt_common::limits::{CellLayout, MAX_IFINDEX, MAX_INTERFACES, MAX_RULES, MAX_SLOTS};
use stormbolt_common::police::{ClassRate, InterfaceRate};
use stormbolt_common::policy::{Active, InForce, POLICY_SLOTS};
use stormbolt_common::programs;
use stormbolt_common::sample::Sampling;
use stormbolt_common::source::OFFENDER_SETS;

use super::cpus::possible_cpus;
use super::error::DatapathError;
use super::lasting::Pinned;
use super::mapped::MappedArray;
use super::pins::Pins;
use super::record::Record;
use super::sources::{SourceTables, source_lines};
use super::template::Templates;
use super::tick::tick_ns;
use super::{maps, object};

/// The loaded program and its maps. Dropping it unloads everything, pins included.
pub struct Datapath {
    pub(super) ebpf: Ebpf,
    pub(super) cpus: u32,
    pub(super) enabled_cpus: BTreeSet<u32>,
    pub(super) active: MappedArray<Active>,
    pub(super) interfaces: MappedArray<u32>,
    pub(super) slot_cpus: MappedArray<u32>,
    pub(super) class_cells: MappedArray<ClassCell>,
    pub(super) refusals: MappedArray<Refusals>,
    pub(super) ahead: MappedArray<AheadCounter>,
    pub(super) rule_counters: MappedArray<PacketCounter>,
    pub(super) outcomes: MappedArray<PacketCounter>,
    pub(super) slot_packets: MappedArray<u64>,
    pub(super) rates: MappedArray<ClassRate>,
    pub(super) interface_rates: MappedArray<InterfaceRate>,
    pub(super) sources: SourceTables,
    pub(super) explained: MappedArray<Explained>,
    pub(super) can_explain: bool,
    /// Seed of the flow cache's hash; zero: no flow is remembered.
    pub(super) flow_seed: u64,
    /// Packets after which a CPU asks how many flows were known.
    pub(super) flow_window: u64,
    pub(super) blocks: u32,
    pub(super) cells: CellLayout,
    /// Lines of the sources' buckets.
    pub(super) source_lines: u32,
    pub(super) templates: Templates,
    /// The interfaces whose packets others go on with, by the slot of the policy.
    pub(super) followed: [BTreeSet<u32>; 2],
    /// Number of the program in the kernel.
    pub(super) program_id: u32,
    /// Dropped last: what is detached is detached by then.
    pub(super) pinned: Option<Pinned>,
}

const _: () = assert!(POLICY_SLOTS == 2);

/// Words of a block.
const WORDS: u32 = 8;
const _: () = assert!(BLOCK_WORDS == 8);

/// How large tables are that have no size of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSizes {
    /// Bytes of compiled rules, for the policy in force and the next one together.
    pub bytes: u64,
    /// IPv4 flows that each CPU remembers, or half as many IPv6 flows; rounded up to a power of two.
    /// Zero: none.
    pub flows: u32,
    /// Classes and interfaces.
    pub cells: CellLayout,
    /// Sources that have a bucket of their own; rounded up to a power of two.
    pub sources: u32,
    /// CPUs that have counters and leases of their own, if this machine does not have more.
    pub cpus: u32,
}

/// IPv4 flows that each CPU remembers where nobody says how many: two MiB of them.
pub const DEFAULT_FLOWS: u32 = 65_536;

/// Packets in which a CPU learns the flows of a line, and has enough others to judge by: four a flow.
const WINDOW_A_LINE: u64 = 8;

/// Lines of the flow cache of each CPU, at least as many as one flow may be in.
fn flow_lines(flows: u32) -> u32 {
    let lines = flows.min(MAX_FLOWS).div_ceil(FLOWS_OF_LINE);
    lines.max(8).next_power_of_two()
}

impl Datapath {
    /// Loads the embedded object into the kernel. Nothing is attached, no policy is in force.
    ///
    /// `hash_seed` seeds the hashes of flows; it should be random.
    ///
    /// # Errors
    /// The kernel is too old, the caller lacks a capability, or memory is short.
    pub fn load(hash_seed: u64, sizes: TableSizes) -> Result<Self, DatapathError> {
        Self::load_over(hash_seed, sizes, None)
    }

    /// The same, pinned; goes on with the counters and buckets that the daemon before has left there, and with
    /// its seed.
    ///
    /// # Errors
    /// As there, and when something cannot be pinned.
    pub fn load_pinned(
        hash_seed: u64,
        sizes: TableSizes,
        pins: Pins,
    ) -> Result<Self, DatapathError> {
        Self::load_over(hash_seed, sizes, Some(pins))
    }

    fn load_over(
        hash_seed: u64,
        sizes: TableSizes,
        pins: Option<Pins>,
    ) -> Result<Self, DatapathError> {
        let possible_cpus = possible_cpus()?;
        let cpus = possible_cpus.max(sizes.cpus);
        let block = u64::try_from(size_of::<Block>()).unwrap_or(1);
        let blocks = u32::try_from(sizes.bytes.div_ceil(block)).unwrap_or(MAX_BLOCKS);
        let blocks = blocks.clamp(1, MAX_BLOCKS).next_power_of_two();
        let mask = blocks * WORDS - 1;
        let lines = flow_lines(sizes.flows);
        let cells = sizes.cells.cells();
        let all_cells = cpus.saturating_mul(cells);
        let tick_ns = tick_ns()?;
        let source_lines = source_lines(sizes.sources);
        let record = Record::of(cpus, sizes.cells, source_lines);
        let mut pinned = pins.map(|pins| Pinned::new(pins, &record)).transpose()?;
        let mut loader = EbpfLoader::new();
        if let Some(pinned) = &pinned {
            pinned.load_over(&mut loader);
        }
        let mut ebpf = loader
            .map_max_entries(maps::CPUS, possible_cpus)
            .map_max_entries(maps::LANES, cpus)
            .map_max_entries(maps::FLOWS, cpus.saturating_mul(lines))
            .map_max_entries(maps::RATES, POLICY_SLOTS * cells)
            .map_max_entries(maps::BUCKETS, cells)
            .map_max_entries(maps::CLASS_CELLS, all_cells)
            .map_max_entries(maps::REFUSALS, all_cells)
            .map_max_entries(maps::AHEAD, all_cells)
            .map_max_entries(maps::SOURCES, source_lines)
            .map_max_entries(maps::SOURCE_COUNTERS, all_cells)
            .map_max_entries(maps::OFFENDERS, cpus * OFFENDER_SETS)
            .map_max_entries(maps::RULE_COUNTERS, cpus * MAX_RULES)
            .map_max_entries(maps::OUTCOMES, cpus * OUTCOMES_PER_CPU)
            .map_max_entries(maps::SLOT_PACKETS, cpus * MAX_SLOTS)
            .override_global(maps::WORD_MASK, &mask, true)
            .override_global(maps::FLOW_LINE_MASK, &(lines - 1), true)
            .override_global(maps::SOURCE_LINE_MASK, &(source_lines - 1), true)
            .override_global(maps::TICK_NS, &tick_ns, true)
            .override_global(maps::CELL_CLASS_BITS, &sizes.cells.class_bits(), true)
            .override_global(maps::CELL_MASK, &sizes.cells.mask(), true)
            .load(&object::data_path_with(blocks)?)
            .map_err(load_error)?;
        let program_id = load_programs(&mut ebpf)?;
        if let Some(pinned) = &mut pinned {
            pinned.pin(&mut ebpf)?;
        }
        let array = |name| {
            ebpf.map(name)
                .ok_or(DatapathError::Missing { kind: "map", name })
        };
        let active = mapped::<Active>(array(maps::ACTIVE)?, maps::ACTIVE, 1)?;
        let first = first_state(pinned.as_ref().and_then(Pinned::inherited), hash_seed);
        let hash_seed = first.hash_seed;
        active.set(0, first);
        Ok(Self {
            cpus,
            enabled_cpus: BTreeSet::new(),
            active,
            interfaces: mapped(array(maps::INTERFACES)?, maps::INTERFACES, MAX_IFINDEX)?,
            slot_cpus: mapped(array(maps::SLOT_CPUS)?, maps::SLOT_CPUS, MAX_SLOTS)?,
            class_cells: mapped(array(maps::CLASS_CELLS)?, maps::CLASS_CELLS, all_cells)?,
            refusals: mapped(array(maps::REFUSALS)?, maps::REFUSALS, all_cells)?,
            ahead: mapped(array(maps::AHEAD)?, maps::AHEAD, all_cells)?,
            rule_counters: mapped(
                array(maps::RULE_COUNTERS)?,
                maps::RULE_COUNTERS,
                cpus * MAX_RULES,
            )?,
            outcomes: mapped(
                array(maps::OUTCOMES)?,
                maps::OUTCOMES,
                cpus * OUTCOMES_PER_CPU,
            )?,
            slot_packets: mapped(
                array(maps::SLOT_PACKETS)?,
                maps::SLOT_PACKETS,
                cpus * MAX_SLOTS,
            )?,
            rates: mapped(array(maps::RATES)?, maps::RATES, POLICY_SLOTS * cells)?,
            interface_rates: mapped(
                array(maps::INTERFACE_RATES)?,
                maps::INTERFACE_RATES,
                POLICY_SLOTS * MAX_INTERFACES,
            )?,
            sources: SourceTables::of(&ebpf, cpus, cells, tick_ns)?,
            explained: mapped(array(maps::EXPLAINED)?, maps::EXPLAINED, 1)?,
            can_explain: false,
            flow_window: u64::from(lines) * WINDOW_A_LINE,
            flow_seed: if sizes.flows == 0 { 0 } else { hash_seed | 1 },
            blocks,
            cells: sizes.cells,
            source_lines,
            templates: Templates::of(object::data_path())?,
            followed: [BTreeSet::new(), BTreeSet::new()],
            program_id,
            pinned,
            ebpf,
        })
    }

    /// Number of blocks that compiled rules can take.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// How many classes and interfaces there is room for.
    pub fn cells(&self) -> CellLayout {
        self.cells
    }

    /// Number of CPUs that counters have copies for.
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    pub(super) fn map_mut(&mut self, name: &'static str) -> Result<&mut Map, DatapathError> {
        self.ebpf
            .map_mut(name)
            .ok_or(DatapathError::Missing { kind: "map", name })
    }

    pub(super) fn program_mut(&mut self) -> Result<&mut Xdp, DatapathError> {
        xdp_program(&mut self.ebpf, maps::PROGRAM)
    }
}

/// What is in force before the first policy: the generation and the seed of the daemon before, if there was one.
fn first_state(inherited: Option<&Record>, hash_seed: u64) -> Active {
    // Cells that are inherited have copies of rates of epochs that nobody knows here: one that is as good as random is
    // none of them.
    let in_force = InForce {
        generation: inherited.map_or(0, |record| record.generation),
        epoch: u32::try_from(hash_seed >> 32).unwrap_or(0) | 1,
    };
    Active {
        in_force: in_force.word(),
        hash_seed: inherited.map_or(hash_seed, |record| record.hash_seed),
        silent_from_ns: u64::MAX,
        sampling: Sampling::OFF,
        followed: 0,
    }
}

/// Loads the programs that packets go through; returns the number of the first in the kernel.
fn load_programs(ebpf: &mut Ebpf) -> Result<u32, DatapathError> {
    load_program(ebpf, maps::PROGRAM)?;
    load_next(ebpf, maps::RULES_PROGRAM, programs::RULES)?;
    load_next(ebpf, maps::UNPAID_PROGRAM, programs::UNPAID)?;
    load_next(ebpf, maps::SAMPLE_PROGRAM, programs::SAMPLE)?;
    let info = xdp_program(ebpf, maps::PROGRAM)?.info();
    let info = info.map_err(DatapathError::program("ask about", maps::PROGRAM))?;
    Ok(info.id())
}

/// Loads the XDP program `name`.
pub(super) fn load_program(ebpf: &mut Ebpf, name: &'static str) -> Result<(), DatapathError> {
    xdp_program(ebpf, name)?
        .load()
        .map_err(|error| DatapathError::refused(name, error))
}

/// Loads a program that others go over into, at `place` ([`programs`]).
pub(super) fn load_next(
    ebpf: &mut Ebpf,
    name: &'static str,
    place: u32,
) -> Result<(), DatapathError> {
    load_program(ebpf, name)?;
    let program = xdp_program(ebpf, name)?
        .fd()
        .and_then(|descriptor| Ok(descriptor.try_clone()?))
        .map_err(DatapathError::program("open", name))?;
    let map = ebpf.map_mut(maps::NEXT).ok_or(DatapathError::Missing {
        kind: "map",
        name: maps::NEXT,
    })?;
    ProgramArray::try_from(map)
        .and_then(|mut next| next.set(place, &program, 0))
        .map_err(DatapathError::map("write", maps::NEXT))
}

/// The XDP program `name` of a loaded object.
pub(super) fn xdp_program<'e>(
    ebpf: &'e mut Ebpf,
    name: &'static str,
) -> Result<&'e mut Xdp, DatapathError> {
    ebpf.program_mut(name)
        .ok_or(DatapathError::Missing {
            kind: "program",
            name,
        })?
        .try_into()
        .map_err(DatapathError::program("open", name))
}

pub(super) fn mapped<T: aya::Pod + Default>(
    map: &Map,
    name: &'static str,
    entries: u32,
) -> Result<MappedArray<T>, DatapathError> {
    MappedArray::of(name, map, usize::try_from(entries).unwrap_or(0))
}

/// Tells a missing capability from everything else.
pub(super) fn load_error(error: EbpfError) -> DatapathError {
    let refused = if let EbpfError::MapError(MapError::CreateError { io_error, .. }) = &error {
        io_error.raw_os_error() == Some(libc::EPERM)
    } else {
        false
    };
    if refused {
        DatapathError::NotPermitted
    } else {
        DatapathError::Load(error)
    }
}
