//! The compiled rules, backed by maps.

use stormbolt_common::classifier::{Block, Lanes};
use stormbolt_common::policy::{FamilyRoots, roots_index};
use stormbolt_ebpf::tables::Rules;

use super::maps;

/// The rules of one policy, and the packet of one CPU.
pub(super) struct MapRules {
    pub(super) slot: u32,
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
}
