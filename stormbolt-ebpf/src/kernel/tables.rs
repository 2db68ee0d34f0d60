//! The stages' tables, backed by maps.

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::programs::XdpContext;
use stormbolt_common::Address;
use stormbolt_common::classifier::{Field, MATCH_ALL, RuleBitmap};
use stormbolt_common::counters::{
    PacketCounter, cell_index, outcome_index, rule_index, slot_index,
};
use stormbolt_common::limits::MAX_IFINDEX;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::SharedBucket;
use stormbolt_common::policy::{PolicyHeader, RuleEntry, policy_slot};
use stormbolt_common::steer::cpu_of_entry;
use stormbolt_ebpf::police::Bucket;
use stormbolt_ebpf::tables::{ClassState, Rules, Tables};

use super::atomic::compare_and_swap;
use super::clock::KernelClock;
use super::maps;

/// The maps, as one packet sees them: the generation is read once, here.
pub(crate) struct MapTables {
    ifindex: u32,
    cpu: u32,
    generation: u32,
    hash_seed: u64,
}

impl MapTables {
    #[inline(always)]
    pub(crate) fn new(context: &XdpContext) -> Self {
        let (generation, hash_seed) = match maps::ACTIVE.get_ptr(0) {
            Some(active) => {
                // SAFETY: the map has one entry, which lives as long as the program. Read whole and
                // once, or a packet could see two generations.
                let active = unsafe { active.read_volatile() };
                (active.generation, active.hash_seed)
            }
            None => (0, 0),
        };
        Self {
            ifindex: u32::try_from(context.ingress_ifindex()).unwrap_or(u32::MAX),
            // SAFETY: the helper takes no argument and cannot fail.
            cpu: unsafe { bpf_get_smp_processor_id() },
            generation,
            hash_seed,
        }
    }

    #[inline(always)]
    const fn slot(&self) -> u32 {
        policy_slot(self.generation)
    }

    #[inline(always)]
    fn bitmap(&self, number: u32) -> Option<&RuleBitmap> {
        maps::BITMAPS.get_value(self.slot(), &number)
    }
}

impl Rules for MapTables {
    #[inline(always)]
    fn of_value(&self, field: Field, value: u32) -> Option<&RuleBitmap> {
        self.bitmap(*maps::DIRECT.get_value(self.slot(), &(field.base() + value))?)
    }

    #[inline(always)]
    fn of_source(&self, address: &Address) -> Option<&RuleBitmap> {
        let number = maps::SOURCES
            .get(self.slot())?
            .get(&Key::new(128, *address))?;
        self.bitmap(*number)
    }

    #[inline(always)]
    fn of_destination(&self, address: &Address) -> Option<&RuleBitmap> {
        let number = maps::DESTINATIONS
            .get(self.slot())?
            .get(&Key::new(128, *address))?;
        self.bitmap(*number)
    }

    #[inline(always)]
    fn all(&self) -> Option<&RuleBitmap> {
        self.bitmap(MATCH_ALL)
    }

    #[inline(always)]
    fn rule(&self, rule: u32) -> Option<RuleEntry> {
        maps::RULES.get_value(self.slot(), &rule).copied()
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
        maps::POLICIES.get_value(self.slot(), &0).copied()
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
        let rate = maps::RATES.get_value(self.slot(), &cell)?;
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
