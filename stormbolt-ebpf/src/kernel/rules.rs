//! The compiled rules, backed by maps, and their search as a function of its own.

use stormbolt_common::classifier::{Block, Lanes};
use stormbolt_common::policy::{FamilyRoots, roots_index};
use stormbolt_ebpf::classify::{Found, search};
use stormbolt_ebpf::tables::Rules;

use super::maps;

/// The rules of one policy, and the packet of one CPU.
pub(super) struct MapRules {
    slot: u32,
    lanes: *mut Lanes,
}

impl MapRules {
    /// `None`: the kernel has more CPUs than it said, so this one has no entry.
    #[inline(always)]
    pub(super) fn new(slot: u32, cpu: u32) -> Option<Self> {
        Some(Self {
            slot,
            lanes: maps::LANES.get_ptr_mut(cpu)?,
        })
    }
}

/// Searches the rules of the policy in `slot` for the packet in the lanes of `cpu`.
///
/// The verifier takes an exported function for what its types say, whoever calls it (Linux 5.6), so
/// the ways through the trees do not multiply with those through the parser.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn search_rules(slot: u32, cpu: u32, used_sets: u32) -> u64 {
    match MapRules::new(slot, cpu) {
        Some(mut rules) => search(&mut rules, used_sets).0,
        None => Found::BROKEN.0,
    }
}

impl Rules for MapRules {
    #[inline(always)]
    fn block(&self, index: u32) -> Option<&Block> {
        maps::BLOCKS.get(index)
    }

    #[inline(always)]
    fn roots(&self, is_ipv4: bool) -> Option<&FamilyRoots> {
        maps::ROOTS.get(roots_index(self.slot, is_ipv4))
    }

    #[inline(always)]
    fn lane(&self, lane: u32) -> u32 {
        // Read anew every time: values that are kept over a loop would overflow the stack.
        let first = self.lanes.cast::<u32>();
        let lane = usize::try_from(lane & 31).unwrap_or(0);
        // SAFETY: a `Lanes` is 32 numbers, and the index is below 32.
        let value = unsafe { first.add(lane) };
        // SAFETY: this CPU alone uses this entry, and map values outlive the program.
        unsafe { value.read_volatile() }
    }

    #[inline(always)]
    fn set_lane(&mut self, lane: u32, value: u32) {
        // SAFETY: as above.
        let lanes = unsafe { &mut *self.lanes };
        let lane = usize::try_from(lane & 31).unwrap_or(0);
        if let Some(slot) = lanes.values.get_mut(lane) {
            *slot = value;
        }
    }

    #[inline(always)]
    fn search(&mut self, used_sets: u32) -> Found {
        search(self, used_sets)
    }
}
