//! The stages' tables, backed by maps.

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::programs::XdpContext;
use stormbolt_common::classifier::Block;
use stormbolt_common::counters::{
    PacketCounter, cell_index, outcome_index, rule_index, slot_index,
};
use stormbolt_common::explain::Explained;
use stormbolt_common::limits::{MAX_IFINDEX, rate_index};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::SharedBucket;
use stormbolt_common::policy::{FamilyRoots, PolicyHeader, policy_slot};
use stormbolt_common::steer::cpu_of_entry;
use stormbolt_ebpf::classify::Found;
use stormbolt_ebpf::police::Bucket;
use stormbolt_ebpf::tables::{ClassState, Rules, Tables};

use super::atomic::compare_and_swap;
use super::clock::KernelClock;
use super::maps;
use super::rules::{MapRules, search_rules};

/// The maps, as one packet sees them: the generation is read once, here.
pub(crate) struct MapTables {
    ifindex: u32,
    cpu: u32,
    generation: u32,
    hash_seed: u64,
    rules: MapRules,
}

impl MapTables {
    #[inline(always)]
    /// `None`: the kernel has more CPUs than it said, so this one has no entries.
    pub(crate) fn new(context: &XdpContext) -> Option<Self> {
        // SAFETY: the helper takes no argument and cannot fail.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        let (generation, hash_seed) = match maps::ACTIVE.get_ptr(0) {
            Some(active) => {
                // SAFETY: the map has one entry, which lives as long as the program. Read whole and
                // once, or a packet could see two generations.
                let active = unsafe { active.read_volatile() };
                (active.generation, active.hash_seed)
            }
            None => (0, 0),
        };
        Some(Self {
            ifindex: u32::try_from(context.ingress_ifindex()).unwrap_or(u32::MAX),
            cpu,
            generation,
            hash_seed,
            rules: MapRules::new(policy_slot(generation), cpu)?,
        })
    }

    #[inline(always)]
    const fn slot(&self) -> u32 {
        policy_slot(self.generation)
    }
}

impl Rules for MapTables {
    #[inline(always)]
    fn block(&self, index: u32) -> Option<&Block> {
        self.rules.block(index)
    }

    #[inline(always)]
    fn roots(&self, is_ipv4: bool) -> Option<&FamilyRoots> {
        self.rules.roots(is_ipv4)
    }

    #[inline(always)]
    fn lane(&self, lane: u32) -> u32 {
        self.rules.lane(lane)
    }

    #[inline(always)]
    fn set_lane(&mut self, lane: u32, value: u32) {
        self.rules.set_lane(lane, value);
    }

    #[inline(always)]
    fn search(&mut self, used_sets: u32) -> Found {
        Found(search_rules(self.slot(), self.cpu, used_sets))
    }
}

impl Tables for MapTables {
    type Bucket = MapBucket;
    type Clock = KernelClock;

    #[inline(always)]
    fn policy(&self) -> Option<PolicyHeader> {
        if self.generation == 0 {
            return None;
        }
        maps::POLICIES.get(self.slot()).copied()
    }

    #[inline(always)]
    fn interface(&self) -> Option<u32> {
        if self.ifindex >= MAX_IFINDEX {
            return None;
        }
        maps::INTERFACES.get(self.ifindex)?.checked_sub(1)
    }

    #[inline(always)]
    fn class(&mut self, cell: u32) -> Option<ClassState<'_, MapBucket>> {
        let rate = maps::RATES.get(rate_index(self.slot(), cell))?;
        let bucket = maps::BUCKETS.get_ptr_mut(cell)?;
        let cell = maps::CLASS_CELLS.get_ptr_mut(cell_index(self.cpu, cell))?;
        Some(ClassState {
            rate,
            // SAFETY: this CPU alone writes this entry, and XDP programs do not nest on a CPU.
            cell: unsafe { &mut *cell },
            // SAFETY: map values outlive the program; `MapBucket` is `repr(transparent)` and
            // accesses the value by volatile and atomic operations only.
            bucket: unsafe { &*bucket.cast::<MapBucket>() },
        })
    }

    #[inline(always)]
    fn clock(&self) -> KernelClock {
        KernelClock
    }

    #[inline(always)]
    fn hash_seed(&self) -> u64 {
        self.hash_seed
    }

    #[inline(always)]
    fn cpu_of_slot(&self, slot: u32) -> Option<u32> {
        cpu_of_entry(*maps::SLOT_CPUS.get(slot)?)
    }

    #[inline(always)]
    fn this_cpu(&self) -> u32 {
        self.cpu
    }

    #[inline(always)]
    fn redirect(&mut self, cpu: u32) -> bool {
        maps::CPUS
            .redirect(cpu, u64::from(xdp_action::XDP_PASS))
            .is_ok()
    }

    #[inline(always)]
    fn count_slot(&mut self, slot: u32) {
        if let Some(packets) = maps::SLOT_PACKETS.get_ptr_mut(slot_index(self.cpu, slot)) {
            // SAFETY: this CPU alone writes this entry, and map values outlive the program.
            let packets = unsafe { &mut *packets };
            *packets = packets.wrapping_add(1);
        }
    }

    #[inline(always)]
    fn count_rule(&mut self, counter: u32, bytes: u64) {
        add(
            maps::RULE_COUNTERS.get_ptr_mut(rule_index(self.cpu, counter)),
            bytes,
        );
    }

    #[inline(always)]
    fn count_outcome(&mut self, interface: u32, outcome: Outcome, bytes: u64) {
        add(
            maps::OUTCOMES.get_ptr_mut(outcome_index(self.cpu, interface, outcome)),
            bytes,
        );
    }
}

/// Leaves word of what the rules say for user space.
#[inline(always)]
pub(crate) fn write_explained(explained: Explained) {
    if let Some(place) = maps::EXPLAINED.get_ptr_mut(0) {
        // SAFETY: the map has one entry, which lives as long as the program, and user space runs the
        // program and reads the entry in turn.
        unsafe { place.write_volatile(explained) };
    }
}

/// Adds a packet to a counter of this CPU.
#[inline(always)]
fn add(counter: Option<*mut PacketCounter>, bytes: u64) {
    if let Some(counter) = counter {
        // SAFETY: this CPU alone writes the entry, and map values outlive the program.
        let counter = unsafe { &mut *counter };
        counter.packets = counter.packets.wrapping_add(1);
        counter.bytes = counter.bytes.wrapping_add(bytes);
    }
}

/// A shared bucket in its map.
#[repr(transparent)]
pub(crate) struct MapBucket(core::cell::UnsafeCell<SharedBucket>);

impl MapBucket {
    #[inline(always)]
    const fn word(&self) -> *mut u64 {
        self.0.get().cast()
    }
}

impl Bucket for MapBucket {
    #[inline(always)]
    fn spent_until_ns(&self) -> u64 {
        // SAFETY: the word is aligned and lives as long as the program; other CPUs only write it
        // whole.
        unsafe { self.word().read_volatile() }
    }

    #[inline(always)]
    fn advance(&self, current: u64, new: u64) -> bool {
        // SAFETY: as above.
        unsafe { compare_and_swap(self.word(), current, new) }
    }
}
