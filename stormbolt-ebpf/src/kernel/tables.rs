//! The stages' tables, backed by maps.

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::programs::XdpContext;
use stormbolt_common::classifier::{Block, lane};
use stormbolt_common::counters::{
    ClassCell, PacketCounter, cell_index, outcome_index, rule_index, slot_index,
};
use stormbolt_common::dropped::{DroppedLine, DroppedRange, RANGES_PER_LINE, dropped_line_index};
use stormbolt_common::explain::Explained;
use stormbolt_common::flow_cache::{FlowGauge, FlowLine, FlowMask, FlowWords};
use stormbolt_common::follow::follower_index;
use stormbolt_common::limits::{
    CellLayout, MAX_IFINDEX, MAX_INTERFACES, interface_rate_index, rate_index,
};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::{ClassRate, SharedBucket};
use stormbolt_common::policy::{Active, FamilyRoots, InForce, PolicyHeader, policy_slot};
use stormbolt_common::sample::{SampleGauge, Sampling};
use stormbolt_common::source::{
    SOURCES_PER_LINE, SourceLimit, offender_set_index, source_limit_index,
};
use stormbolt_common::steer::cpu_of_entry;
use stormbolt_ebpf::police::{Bucket, Buckets, SharedLine, SourceWord};
use stormbolt_ebpf::tables::{Refused, Rules, Tables, ToPay};

use super::atomic::compare_and_swap;
use super::clock::KernelClock;
use super::maps;
use super::rules::MapRules;

/// The maps, as one packet sees them: what is in force is read once, when it arrives.
pub(crate) struct MapTables {
    /// Index plus one of the interface; zero: it is not ours.
    interface: u32,
    cpu: u32,
    in_force: InForce,
    /// Where that was read, and what else stands there.
    active: Option<&'static Active>,
    rules: MapRules,
}

impl MapTables {
    /// For a packet that arrives. `None`: the kernel has more CPUs than it said, so this one has no
    /// entries.
    #[inline(always)]
    pub(crate) fn of_arrival(context: &XdpContext) -> Option<Self> {
        // Always there.
        let active = maps::ACTIVE.get(0)?;
        // SAFETY: it is a reference to what lives as long as the program. Read once, or a packet could see two
        // generations.
        let in_force = InForce::of_word(unsafe { (&raw const active.in_force).read_volatile() });
        let ifindex = u32::try_from(context.ingress_ifindex()).unwrap_or(u32::MAX);
        let interface = if ifindex < MAX_IFINDEX {
            maps::INTERFACES.get(ifindex).copied()
        } else {
            None
        };
        let cpu = this_cpu();
        Some(Self {
            interface: interface.unwrap_or(0),
            cpu,
            in_force,
            active: Some(active),
            rules: MapRules::of_arrival(cpu)?,
        })
    }

    /// For the packet in this CPU's lanes.
    #[inline(always)]
    pub(crate) fn of_lanes() -> Option<Self> {
        let cpu = this_cpu();
        let rules = MapRules::of_lanes(cpu)?;
        Some(Self {
            interface: rules.lane(lane::INTERFACE).wrapping_add(1),
            cpu,
            in_force: InForce {
                generation: rules.lane(lane::GENERATION),
                epoch: rules.lane(lane::EPOCH),
            },
            active: None,
            rules,
        })
    }

    /// Looks at what is in force once more: for those that need what stands beside it.
    #[inline(always)]
    pub(crate) fn look_at_active(&mut self) {
        self.active = maps::ACTIVE.get(0);
    }

    #[inline(always)]
    const fn slot(&self) -> u32 {
        policy_slot(self.in_force.generation)
    }
}

/// Where the entries of cells stand.
#[inline(always)]
fn cell_layout() -> CellLayout {
    // SAFETY: it is a number that never changes. Its value is user space's, not the one that the compiler
    // sees.
    let class_bits = unsafe { (&raw const maps::CELL_CLASS_BITS).read_volatile() };
    // SAFETY: as above.
    let mask = unsafe { (&raw const maps::CELL_MASK).read_volatile() };
    CellLayout::from_parts(class_bits, mask)
}

#[inline(always)]
fn this_cpu() -> u32 {
    // SAFETY: the helper takes no argument and cannot fail.
    unsafe { bpf_get_smp_processor_id() }
}

impl Rules for MapTables {
    #[inline(always)]
    fn word(&self, index: u32) -> Option<u64> {
        self.rules.word(index)
    }

    #[inline(always)]
    fn half(&self, index: u32) -> Option<&[u64; 4]> {
        self.rules.half(index)
    }

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
    fn flow_words(&self) -> FlowWords {
        self.rules.flow_words()
    }

    #[inline(always)]
    fn set_flow_words(&mut self, words: FlowWords) {
        self.rules.set_flow_words(words);
    }

    #[inline(always)]
    fn flow_mask(&self) -> Option<&FlowMask> {
        self.rules.flow_mask()
    }

    #[inline(always)]
    fn flow_line(&mut self, number: u32) -> Option<&mut FlowLine> {
        self.rules.flow_line(number)
    }

    #[inline(always)]
    fn swap_flow_lines(&mut self, number: u32, other: u32) {
        self.rules.swap_flow_lines(number, other);
    }

    #[inline(always)]
    fn flow_gauge(&mut self) -> &mut FlowGauge {
        self.rules.flow_gauge()
    }
}

impl Tables for MapTables {
    type Bucket = MapBucket;
    type Dropped = MapLine;
    type Clock = KernelClock;
    type SourceWord = MapBucket;

    #[inline(always)]
    fn generation(&self) -> u32 {
        self.in_force.generation
    }

    #[inline(always)]
    fn epoch(&self) -> u32 {
        self.in_force.epoch
    }

    #[inline(always)]
    fn policy(&self) -> Option<PolicyHeader> {
        match self.rules.policy() {
            Some(policy) => Some(policy.header),
            None if self.in_force.generation == 0 => None,
            None => Some(maps::POLICIES.get(self.slot())?.header),
        }
    }

    #[inline(always)]
    fn interface(&self) -> Option<u32> {
        self.interface.checked_sub(1)
    }

    #[inline(always)]
    fn class(&mut self, cell: u32) -> Option<&mut ClassCell> {
        let index = cell_index(cell_layout(), self.cpu, cell);
        let cell = maps::CLASS_CELLS.get_ptr_mut(index)?;
        // SAFETY: this CPU alone writes this entry, and XDP programs do not nest on a CPU.
        Some(unsafe { &mut *cell })
    }

    #[inline(always)]
    fn rate(&self, cell: u32) -> Option<&ClassRate> {
        maps::RATES.get(rate_index(cell_layout(), self.slot(), cell))
    }

    #[inline(always)]
    fn class_to_pay(
        &mut self,
        cell: u32,
        interface: u32,
        flow: u32,
    ) -> Option<ToPay<'_, MapBucket, MapLine>> {
        let dropped = maps::DROPPED.get_ptr_mut(dropped_line_index(flow))?;
        let index = cell_index(cell_layout(), self.cpu, cell);
        let refusals = maps::REFUSALS.get_ptr_mut(index)?;
        let ahead = maps::AHEAD.get_ptr_mut(index)?;
        let held = maps::CLASS_CELLS.get_ptr_mut(index)?;
        let rate = maps::RATES.get(rate_index(cell_layout(), self.slot(), cell))?;
        let interface = interface % MAX_INTERFACES;
        let capacity = maps::INTERFACE_RATES.get(interface_rate_index(self.slot(), interface))?;
        let shared = maps::INTERFACE_BUCKETS.get_ptr_mut(interface)?;
        let own = maps::BUCKETS.get_ptr_mut(cell_layout().index(cell))?;
        // SAFETY: it is a field of the map's value.
        let at_ceil = unsafe { &raw mut (*own).ceil_spent_until_ns };
        // SAFETY: as above.
        let beside = unsafe { &raw mut (*own).beside_spent_until_ns };
        let buckets = Buckets {
            own: MapBucket::at(own.cast()),
            ceil: MapBucket::at(at_ceil),
            beside: MapBucket::at(beside),
            shared: MapBucket::at(shared.cast()),
            interface: capacity,
            silent_from_ns: match maps::ACTIVE.get_ptr(0) {
                // SAFETY: the map has one entry, which lives as long as the program.
                Some(active) => unsafe { active.read_volatile() }.silent_from_ns,
                None => u64::MAX,
            },
        };
        Some(ToPay {
            rate,
            // SAFETY: this CPU alone uses this entry, and map values outlive the program.
            cell: unsafe { &mut *held },
            // SAFETY: as above.
            refusals: unsafe { &mut *refusals },
            // SAFETY: as above.
            ahead: unsafe { &mut *ahead },
            buckets,
            dropped: MapLine::at(dropped),
        })
    }

    #[inline(always)]
    fn source_limit(&self, number: u32) -> Option<&SourceLimit> {
        maps::SOURCE_LIMITS.get(source_limit_index(self.slot(), number))
    }

    #[inline(always)]
    fn source_line(&self, number: u32) -> Option<&[MapBucket; SOURCES_PER_LINE]> {
        // SAFETY: it is a number that never changes. Its value is user space's, not the one that the
        // compiler sees.
        let mask = unsafe { (&raw const maps::SOURCE_LINE_MASK).read_volatile() };
        let line = maps::SOURCES.get_ptr_mut(number & mask)?;
        // SAFETY: a line is its words and nothing else, and `MapBucket` is one of them, which is read by
        // volatile and written by atomic operations only; map values outlive the program.
        Some(unsafe { &*line.cast::<[MapBucket; SOURCES_PER_LINE]>() })
    }

    #[inline(always)]
    fn refused(&mut self, cell: u32, hash: u32) -> Option<Refused<'_>> {
        let index = cell_index(cell_layout(), self.cpu, cell);
        let counters = maps::SOURCE_COUNTERS.get_ptr_mut(index)?;
        let offenders = maps::OFFENDERS.get_ptr_mut(offender_set_index(self.cpu, hash))?;
        Some(Refused {
            // SAFETY: this CPU alone writes this entry, and map values outlive the program.
            counters: unsafe { &mut *counters },
            // SAFETY: as above.
            offenders: unsafe { &mut *offenders },
        })
    }

    #[inline(always)]
    fn tick_ns(&self) -> u64 {
        // SAFETY: it is a number that never changes.
        u64::from(unsafe { (&raw const maps::TICK_NS).read_volatile() })
    }

    #[inline(always)]
    fn clock(&self) -> KernelClock {
        KernelClock
    }

    #[inline(always)]
    fn hash_seed(&self) -> u64 {
        maps::ACTIVE.get(0).map_or(0, |active| active.hash_seed)
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
    fn sampling(&self) -> Sampling {
        self.active.map_or(Sampling::OFF, |active| active.sampling)
    }

    #[inline(always)]
    fn sample_gauge(&mut self) -> &mut SampleGauge {
        self.rules.sample_gauge()
    }

    #[inline(always)]
    fn followed(&self) -> u64 {
        self.active.map_or(0, |active| active.followed)
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

/// Goes over into the program at `place` of [`stormbolt_common::programs`]; comes back only if there is
/// none.
#[inline(always)]
pub(crate) fn go_over(context: &XdpContext, place: u32) {
    // SAFETY: nothing of this program is left to be done or dropped.
    unsafe { maps::NEXT.tail_call(context, place) };
}

/// Goes over into the program of somebody else that goes on with packets like the one in the lanes; comes back only if the
/// policy has none.
#[inline(always)]
pub(crate) fn go_on_to_follower(context: &XdpContext, tables: &MapTables) {
    let slot = policy_slot(tables.lane(lane::GENERATION));
    let place = follower_index(slot, tables.lane(lane::INTERFACE));
    // SAFETY: nothing of this program is left to be done or dropped.
    unsafe { maps::FOLLOWERS.tail_call(context, place) };
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

/// A bucket in its map.
#[repr(transparent)]
pub(crate) struct MapBucket(core::cell::UnsafeCell<u64>);

impl MapBucket {
    /// The bucket whose word is at `word`, in a map.
    #[inline(always)]
    const fn at<'a>(word: *mut u64) -> &'a Self {
        // SAFETY: map values outlive the program; `MapBucket` is `repr(transparent)` and accesses the
        // value by volatile and atomic operations only.
        unsafe { &*word.cast::<Self>() }
    }

    #[inline(always)]
    const fn word(&self) -> *mut u64 {
        self.0.get()
    }
}

/// A line of the memory of dropped segments in its map.
#[repr(transparent)]
pub(crate) struct MapLine(core::cell::UnsafeCell<DroppedLine>);

impl MapLine {
    /// The line at `line`, in a map.
    #[inline(always)]
    const fn at<'a>(line: *mut DroppedLine) -> &'a Self {
        // SAFETY: map values outlive the program; `MapLine` is `repr(transparent)` and accesses the value by
        // volatile operations only.
        unsafe { &*line.cast::<Self>() }
    }

    #[inline(always)]
    const fn entry(&self, place: usize) -> *mut DroppedRange {
        let first = self.0.get().cast::<DroppedRange>();
        // SAFETY: a line is its entries and nothing else.
        unsafe { first.add(place % RANGES_PER_LINE) }
    }
}

impl SharedLine for MapLine {
    #[inline(always)]
    fn range(&self, place: usize) -> DroppedRange {
        // SAFETY: it is an entry of the line, which lives as long as the program; whatever other CPUs have written of it
        // makes an entry.
        unsafe { self.entry(place).read_volatile() }
    }

    #[inline(always)]
    fn set_range(&self, place: usize, range: DroppedRange) {
        // SAFETY: as above.
        unsafe { self.entry(place).write_volatile(range) }
    }
}

// What is in force is the first word.
const _: () = assert!(core::mem::offset_of!(Active, in_force) == 0);
// The word of a bucket at its rate is the first.
const _: () = assert!(core::mem::offset_of!(SharedBucket, spent_until_ns) == 0);

impl SourceWord for MapBucket {
    #[inline(always)]
    fn read(&self) -> u64 {
        self.spent_until_ns()
    }

    #[inline(always)]
    fn replace(&self, current: u64, new: u64) -> bool {
        self.advance(current, new)
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
