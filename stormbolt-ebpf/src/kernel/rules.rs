//! What a packet is held against: the rules of its policy, and the lanes of the CPU that has it.

use stormbolt_common::classifier::{Block, Lanes, lane};
use stormbolt_common::flow_cache::{FlowGauge, FlowLine, FlowMask, FlowWords, flow_line_index};
use stormbolt_common::policy::{FamilyRoots, PolicyEntry, policy_slot};
use stormbolt_common::sample::SampleGauge;
use stormbolt_ebpf::tables::Rules;

use super::maps;

/// The lanes of one CPU, and the rules once the packet has gone over to them.
pub(super) struct MapRules {
    cpu: u32,
    lanes: *mut Lanes,
    tables: Option<RuleTables>,
}

/// The rules of one policy.
#[derive(Clone, Copy)]
pub(super) struct RuleTables {
    pub(super) policy: &'static PolicyEntry,
    words: *const u64,
    /// Number of words, less one.
    mask: u32,
}

impl MapRules {
    /// For a packet that has just come to `cpu`. `None`: the kernel has more CPUs than it said, so this
    /// one has no entry.
    #[inline(always)]
    pub(super) fn of_arrival(cpu: u32) -> Option<Self> {
        Some(Self {
            cpu,
            lanes: maps::LANES.get_ptr_mut(cpu)?,
            tables: None,
        })
    }

    /// For the packet in the lanes of `cpu`.
    #[inline(always)]
    pub(super) fn of_lanes(cpu: u32) -> Option<Self> {
        let mut rules = Self::of_arrival(cpu)?;
        let slot = policy_slot(rules.lane(lane::GENERATION));
        rules.tables = Some(RuleTables {
            policy: maps::POLICIES.get(slot)?,
            words: maps::BLOCKS.get_ptr(0)?.cast::<u64>(),
            // SAFETY: it is a number that never changes. Its value is user space's, not the one that
            // the compiler sees.
            mask: unsafe { (&raw const maps::WORD_MASK).read_volatile() },
        });
        Some(rules)
    }

    /// Where a line of this CPU's flow cache stands.
    #[inline(always)]
    fn flow_line_at(&self, number: u32) -> Option<*mut FlowLine> {
        // SAFETY: it is a number that never changes, user space's and not the one that the compiler sees.
        let mask = unsafe { (&raw const maps::FLOW_LINE_MASK).read_volatile() };
        maps::FLOWS.get_ptr_mut(flow_line_index(self.cpu, number, mask))
    }

    /// What this CPU knows of the packets that it has shown to user space.
    #[inline(always)]
    pub(super) fn sample_gauge(&mut self) -> &mut SampleGauge {
        // SAFETY: this CPU alone uses this entry, and map values outlive the program.
        let lanes = unsafe { &mut *self.lanes };
        &mut lanes.samples
    }

    #[inline(always)]
    pub(super) fn policy(&self) -> Option<&PolicyEntry> {
        Some(self.tables?.policy)
    }
}

impl RuleTables {
    /// Where the word at `index` stands, or the next one before it whose index is a multiple of `unit`,
    /// a power of two.
    #[inline(always)]
    fn at(self, index: u32, unit: u32) -> *const u64 {
        let place = index & self.mask & !(unit - 1);
        // SAFETY: the value has one word more than the mask says, and no index below it is outside. An
        // index of 32 bits always fits.
        unsafe { self.words.add(usize::try_from(place).unwrap_or(0)) }
    }
}

impl Rules for MapRules {
    #[inline(always)]
    fn word(&self, index: u32) -> Option<u64> {
        let word = self.tables?.at(index, 1);
        // SAFETY: `at` gives a place in the tables.
        Some(unsafe { *word })
    }

    #[inline(always)]
    fn half(&self, index: u32) -> Option<&[u64; 4]> {
        let half = self.tables?.at(index, 4).cast();
        // SAFETY: four words lie together from every multiple of four on.
        Some(unsafe { &*half })
    }

    #[inline(always)]
    fn block(&self, index: u32) -> Option<&Block> {
        let block = self.tables?.at(index, 8).cast();
        // SAFETY: eight words lie together from every multiple of eight on.
        Some(unsafe { &*block })
    }

    #[inline(always)]
    fn roots(&self, is_ipv4: bool) -> Option<&FamilyRoots> {
        let [ipv4, ipv6] = &self.policy()?.roots;
        Some(if is_ipv4 { ipv4 } else { ipv6 })
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
    fn flow_words(&self) -> FlowWords {
        // SAFETY: this CPU alone uses this entry, and map values outlive the program.
        unsafe { (*self.lanes).flow }
    }

    #[inline(always)]
    fn set_flow_words(&mut self, words: FlowWords) {
        // SAFETY: as above.
        let lanes = unsafe { &mut *self.lanes };
        lanes.flow = words;
    }

    #[inline(always)]
    fn flow_mask(&self) -> Option<&FlowMask> {
        Some(&self.policy()?.flows)
    }

    #[inline(always)]
    fn flow_line(&mut self, number: u32) -> Option<&mut FlowLine> {
        // SAFETY: this CPU alone uses this entry, and map values outlive the program.
        Some(unsafe { &mut *self.flow_line_at(number)? })
    }

    #[inline(always)]
    fn swap_flow_lines(&mut self, number: u32, other: u32) {
        let (Some(line), Some(other)) = (self.flow_line_at(number), self.flow_line_at(other))
        else {
            return;
        };
        for word in 0..size_of::<FlowLine>() / size_of::<u64>() {
            // SAFETY: a line is that many words.
            let word_of = |line: *mut FlowLine| unsafe { line.cast::<u64>().add(word) };
            // SAFETY: this CPU alone uses these entries, which outlive the program. They may be the same.
            unsafe { word_of(line).swap(word_of(other)) };
        }
    }

    #[inline(always)]
    fn flow_gauge(&mut self) -> &mut FlowGauge {
        // SAFETY: as above.
        let lanes = unsafe { &mut *self.lanes };
        &mut lanes.flows
    }
}
