//! Every map, with its real name. User space sizes the per-CPU ones when it loads the object.
//!
//! Names are those that `stormbolt/src/datapath/maps.rs` looks up; a test loads the object and finds
//! each.

use aya_ebpf::btf_maps::{Array, ArrayOfMaps, CpuMap, LpmTrie};
use aya_ebpf::macros::btf_map;
use stormbolt_common::Address;
use stormbolt_common::classifier::{DIRECT_ENTRIES, RuleBitmap};
use stormbolt_common::counters::{ClassCell, OUTCOMES_PER_CPU, PacketCounter};
use stormbolt_common::limits::{
    MAX_BITMAPS, MAX_CELLS, MAX_CPUS, MAX_IFINDEX, MAX_PREFIXES, MAX_RULES, MAX_SLOTS,
};
use stormbolt_common::police::{ClassRate, SharedBucket};
use stormbolt_common::policy::{Active, POLICY_SLOTS, PolicyHeader, RuleEntry};

/// `BPF_F_MMAPABLE`: user space reads and writes the array as memory.
const MMAPABLE: usize = 1 << 10;
/// Policies side by side.
const SLOTS: usize = entries(POLICY_SLOTS);

/// A table's size as the map definitions want it.
#[expect(clippy::as_conversions, reason = "constant; a table's size fits")]
const fn entries(count: u32) -> usize {
    count as usize
}

/// The generation in force.
#[btf_map]
pub(super) static ACTIVE: Array<Active, 1, MMAPABLE> = Array::new();

/// Index plus one of each interface, by `ifindex`.
#[btf_map]
pub(super) static INTERFACES: Array<u32, { entries(MAX_IFINDEX) }, MMAPABLE> = Array::new();

/// Per policy: its head.
#[btf_map]
pub(super) static POLICIES: ArrayOfMaps<Array<PolicyHeader, 1>, SLOTS> = ArrayOfMaps::new();

/// Per policy: what each rule does.
#[btf_map]
pub(super) static RULES: ArrayOfMaps<Array<RuleEntry, { entries(MAX_RULES) }, MMAPABLE>, SLOTS> =
    ArrayOfMaps::new();

/// Per policy: the rate of each class on each interface.
#[btf_map]
pub(super) static RATES: ArrayOfMaps<Array<ClassRate, { entries(MAX_CELLS) }, MMAPABLE>, SLOTS> =
    ArrayOfMaps::new();

/// Per policy: bitmap numbers by field value.
#[btf_map]
pub(super) static DIRECT: ArrayOfMaps<Array<u32, { entries(DIRECT_ENTRIES) }, MMAPABLE>, SLOTS> =
    ArrayOfMaps::new();

/// Per policy: the rule bitmaps.
#[btf_map]
pub(super) static BITMAPS: ArrayOfMaps<
    Array<RuleBitmap, { entries(MAX_BITMAPS) }, MMAPABLE>,
    SLOTS,
> = ArrayOfMaps::new();

/// Per policy: bitmap numbers by source prefix.
#[btf_map]
pub(super) static SOURCES: ArrayOfMaps<LpmTrie<Address, u32, { entries(MAX_PREFIXES) }>, SLOTS> =
    ArrayOfMaps::new();

/// Per policy: bitmap numbers by destination prefix.
#[btf_map]
pub(super) static DESTINATIONS: ArrayOfMaps<
    LpmTrie<Address, u32, { entries(MAX_PREFIXES) }>,
    SLOTS,
> = ArrayOfMaps::new();

/// Shared buckets, per class and interface.
#[btf_map]
pub(super) static BUCKETS: Array<SharedBucket, { entries(MAX_CELLS) }> = Array::new();

/// Slot entries, per CPU set.
#[btf_map]
pub(super) static SLOT_CPUS: Array<u32, { entries(MAX_SLOTS) }, MMAPABLE> = Array::new();

/// Queues of the CPUs.
#[btf_map]
pub(super) static CPUS: CpuMap<{ entries(MAX_CPUS) }> = CpuMap::new();

/// Counters and leases of the classes, CPU by CPU.
#[btf_map]
pub(super) static CLASS_CELLS: Array<ClassCell, { entries(MAX_CELLS) }, MMAPABLE> = Array::new();

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
