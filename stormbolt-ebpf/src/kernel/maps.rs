//! Every map, with its real name. User space sizes the per-CPU ones when it loads the object.
//!
//! Names are those that `stormbolt/src/datapath/maps.rs` looks up; a test loads the object and finds
//! each.

use aya_ebpf::btf_maps::{Array, ArrayOfMaps, CpuMap, ProgramArray, RingBuf};
use aya_ebpf::macros::btf_map;
use stormbolt_common::classifier::{BLOCKS_PLACEHOLDER, Block, Lanes};
use stormbolt_common::counters::{
    AheadCounter, ClassCell, OUTCOMES_PER_CPU, PacketCounter, Refusals,
};
use stormbolt_common::dropped::{DROPPED_LINES, DroppedLine};
use stormbolt_common::explain::Explained;
use stormbolt_common::flow_cache::FlowLine;
use stormbolt_common::follow::FOLLOWERS as FOLLOWER_ENTRIES;
use stormbolt_common::limits::{
    CellLayout, MAX_CPUS, MAX_IFINDEX, MAX_INTERFACES, MAX_RULES, MAX_SLOTS,
};
use stormbolt_common::police::{ClassRate, InterfaceRate, SharedBucket};
use stormbolt_common::policy::{Active, POLICY_SLOTS, PolicyEntry};
use stormbolt_common::programs::PROGRAMS;
use stormbolt_common::sample::{SAMPLE_RING_BYTES, Sample};
use stormbolt_common::source::{
    MAX_SOURCE_LIMITS, OFFENDER_SETS, OffenderSet, SourceCounters, SourceLimit, SourceLine,
};

/// `BPF_F_MMAPABLE`: user space reads and writes the array as memory.
const MMAPABLE: usize = 1 << 10;
/// Policies side by side.
const SLOTS: usize = entries(POLICY_SLOTS);
/// Pairs of interface and class, where user space does not say otherwise.
const CELLS: usize = entries(CellLayout::DEFAULT.cells());

/// A table's size as the map definitions want it.
#[expect(clippy::as_conversions, reason = "constant; a table's size fits")]
const fn entries(count: u32) -> usize {
    count as usize
}

/// The programs that a packet goes over into, by their place in
/// [`stormbolt_common::programs`].
#[btf_map]
pub(super) static NEXT: ProgramArray<{ entries(PROGRAMS) }> = ProgramArray::new();

/// Programs of others that go on with what passes, per policy and interface
/// ([`stormbolt_common::follow::follower_index`]).
#[btf_map]
pub(super) static FOLLOWERS: ProgramArray<{ entries(FOLLOWER_ENTRIES) }> = ProgramArray::new();

/// The generation in force, and what does not change with it.
#[btf_map]
pub(super) static ACTIVE: Array<Active, 1, MMAPABLE> = Array::new();

/// Index plus one of each interface, by `ifindex`.
#[btf_map]
pub(super) static INTERFACES: Array<u32, { entries(MAX_IFINDEX) }, MMAPABLE> = Array::new();

/// The policies.
#[btf_map]
pub(super) static POLICIES: Array<PolicyEntry, SLOTS> = Array::new();

/// Per CPU: the header values of the packet that it has. User space gives the number of CPUs.
#[btf_map]
pub(super) static LANES: Array<Lanes, 1> = Array::new();

/// The flow cache, CPU by CPU. Mapped memory begins at a page, so that a line is a cache line.
#[btf_map]
pub(super) static FLOWS: Array<FlowLine, 1, MMAPABLE> = Array::new();

/// The number of lines of each CPU, less one: a constant to the verifier. User space gives it.
#[unsafe(no_mangle)]
pub(super) static FLOW_LINE_MASK: u32 = 0;

/// Per policy: the rate of each class on each interface. User space gives the number of cells to this table
/// and to the others that are indexed by them.
#[btf_map]
pub(super) static RATES: Array<ClassRate, { SLOTS * CELLS }, MMAPABLE> = Array::new();

/// The layout of these tables, in two numbers that are constants to the verifier. User space gives them.
#[unsafe(no_mangle)]
pub(super) static CELL_CLASS_BITS: u32 = CellLayout::DEFAULT.class_bits();
/// The other one.
#[unsafe(no_mangle)]
pub(super) static CELL_MASK: u32 = CellLayout::DEFAULT.mask();

/// Per policy: what each interface can carry.
#[btf_map]
pub(super) static INTERFACE_RATES: Array<
    InterfaceRate,
    { SLOTS * entries(MAX_INTERFACES) },
    MMAPABLE,
> = Array::new();

/// The compiled rules and sets of all policies, as one value.
#[btf_map]
pub(super) static BLOCKS: Array<[Block; entries(BLOCKS_PLACEHOLDER)], 1, MMAPABLE> = Array::new();

/// The number of words in these blocks, less one: a constant to the verifier. User space gives it.
#[unsafe(no_mangle)]
pub(super) static WORD_MASK: u32 = 0;

/// Not read here: the kernel returns from a change to a map of maps only when no program can still
/// see the state before it, and user space waits that way for packets to leave an old policy.
#[btf_map]
pub(super) static BARRIER: ArrayOfMaps<Array<u32, 1>, 1> = ArrayOfMaps::new();

/// Shared buckets, per class and interface.
#[btf_map]
pub(super) static BUCKETS: Array<SharedBucket, CELLS> = Array::new();

/// Shared buckets of the interfaces.
#[btf_map]
pub(super) static INTERFACE_BUCKETS: Array<SharedBucket, { entries(MAX_INTERFACES) }> =
    Array::new();

/// What was dropped of TCP flows.
#[btf_map]
pub(super) static DROPPED: Array<DroppedLine, { entries(DROPPED_LINES) }> = Array::new();

/// Per policy: what each source of a class may have.
#[btf_map]
pub(super) static SOURCE_LIMITS: Array<
    SourceLimit,
    { SLOTS * (entries(MAX_SOURCE_LIMITS) + 1) },
    MMAPABLE,
> = Array::new();

/// The sources' buckets. User space gives their number.
#[btf_map]
pub(super) static SOURCES: Array<SourceLine, 1, MMAPABLE> = Array::new();

/// The number of lines of these, less one: a constant to the verifier. User space gives it.
#[unsafe(no_mangle)]
pub(super) static SOURCE_LINE_MASK: u32 = 0;

/// The length of a jiffy in ns, likewise.
#[unsafe(no_mangle)]
pub(super) static TICK_NS: u32 = 0;

/// What was refused of the sources of the classes, CPU by CPU.
#[btf_map]
pub(super) static SOURCE_COUNTERS: Array<SourceCounters, CELLS, MMAPABLE> = Array::new();

/// The sources that were refused most, CPU by CPU.
#[btf_map]
pub(super) static OFFENDERS: Array<OffenderSet, { entries(OFFENDER_SETS) }, MMAPABLE> =
    Array::new();

/// Slot entries, per CPU set.
#[btf_map]
pub(super) static SLOT_CPUS: Array<u32, { entries(MAX_SLOTS) }, MMAPABLE> = Array::new();

/// Queues of the CPUs.
#[btf_map]
pub(super) static CPUS: CpuMap<{ entries(MAX_CPUS) }> = CpuMap::new();

/// Counters, leases and terms of the classes, CPU by CPU.
#[btf_map]
pub(super) static CLASS_CELLS: Array<ClassCell, CELLS, MMAPABLE> = Array::new();

/// What was refused of the classes, CPU by CPU.
#[btf_map]
pub(super) static REFUSALS: Array<Refusals, CELLS, MMAPABLE> = Array::new();

/// What passed ahead of the rates of the classes, CPU by CPU.
#[btf_map]
pub(super) static AHEAD: Array<AheadCounter, CELLS, MMAPABLE> = Array::new();

/// Rule counters, CPU by CPU.
#[btf_map]
pub(super) static RULE_COUNTERS: Array<PacketCounter, { entries(MAX_RULES) }, MMAPABLE> =
    Array::new();

/// Outcome counters, CPU by CPU.
#[btf_map]
pub(super) static OUTCOMES: Array<PacketCounter, { entries(OUTCOMES_PER_CPU) }, MMAPABLE> =
    Array::new();

/// Packets per slot, CPU by CPU.
#[btf_map]
pub(super) static SLOT_PACKETS: Array<u64, { entries(MAX_SLOTS) }, MMAPABLE> = Array::new();

/// The packets that are shown to user space.
#[btf_map]
pub(super) static SAMPLES: RingBuf<Sample, { entries(SAMPLE_RING_BYTES) }> = RingBuf::new();

/// What the explaining program said last.
#[btf_map]
pub(super) static EXPLAINED: Array<Explained, 1, MMAPABLE> = Array::new();
