//! The tables of the stages in plain memory, so that the same code runs on the host.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use stormbolt::datapath::PolicyTables;
use stormbolt_common::classifier::{Block, Lanes};
use stormbolt_common::counters::{AheadCounter, ClassCell, PacketCounter, Refusals};
use stormbolt_common::dropped::{DroppedRange, RANGES_PER_LINE, dropped_line_index};
use stormbolt_common::flow_cache::{FlowGauge, FlowLine, FlowMask, FlowWords};
use stormbolt_common::limits::{MAX_INTERFACES, MAX_RULES, MAX_SLOTS};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::{ClassRate, InterfaceRate};
use stormbolt_common::policy::{FamilyRoots, PolicyHeader};
use stormbolt_common::sample::{SampleGauge, Sampling};
use stormbolt_common::source::{
    OFFENDER_SETS, OffenderSet, SOURCES_PER_LINE, SourceCounters, SourceLimit,
};
use stormbolt_common::steer::{STAY, cpu_of_entry};
use stormbolt_control::observe::CellCounters;
use stormbolt_ebpf::police::{Bucket, Buckets, Clock, SharedLine, SourceWord};
use stormbolt_ebpf::tables::{Refused, Rules, Tables, ToPay};

use crate::counters::{Counters, Watched, interfaces_and_outcomes};

/// A clock that stands where it was set.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostClock {
    /// Time in ns.
    pub now_ns: u64,
    /// Timer ticks.
    pub jiffy: u64,
}

impl HostClock {
    /// A clock at `now_ns` in a kernel with `ticks_per_second`.
    pub fn at(now_ns: u64, ticks_per_second: u64) -> Self {
        let jiffy = now_ns / (1_000_000_000 / ticks_per_second);
        Self { now_ns, jiffy }
    }
}

impl Clock for HostClock {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn jiffy(&self) -> u64 {
        self.jiffy
    }
}

/// A bucket in plain memory.
#[derive(Debug, Default)]
pub struct HostBucket(pub AtomicU64);

impl SourceWord for HostBucket {
    fn read(&self) -> u64 {
        self.spent_until_ns()
    }

    fn replace(&self, current: u64, new: u64) -> bool {
        self.advance(current, new)
    }
}

impl Bucket for HostBucket {
    fn spent_until_ns(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn advance(&self, current: u64, new: u64) -> bool {
        self.0
            .compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

/// A line of what was dropped in plain memory.
#[derive(Debug, Default)]
pub struct HostLine([Cell<DroppedRange>; RANGES_PER_LINE]);

impl SharedLine for HostLine {
    fn range(&self, place: usize) -> DroppedRange {
        self.0[place % RANGES_PER_LINE].get()
    }

    fn set_range(&self, place: usize, range: DroppedRange) {
        self.0[place % RANGES_PER_LINE].set(range);
    }
}

/// One class on one interface.
#[derive(Debug, Default)]
struct HostCell {
    counters: ClassCell,
    refusals: Refusals,
    ahead: AheadCounter,
    own: HostBucket,
    ceil: HostBucket,
    beside: HostBucket,
    sources: SourceCounters,
}

/// Lines of the flow cache: few, so that flows drive one another out.
const FLOW_LINES: usize = 32;

/// Lines of the sources' buckets.
const SOURCE_LINES: usize = 64;

/// Packets after which it is asked how many flows were known.
const FLOW_WINDOW: u64 = 1 << 16;

/// All tables, as one CPU sees them.
#[derive(Debug)]
pub struct HostTables {
    policy: Option<PolicyTables>,
    epoch: u32,
    blocks: Vec<Block>,
    lanes: Lanes,
    /// Flows that are remembered, a power of two of lines.
    pub flow_lines: Vec<FlowLine>,
    /// How often one of these lines was looked at.
    pub flow_lines_read: u64,
    flows: FlowMask,
    /// Index of the interface that packets arrive on.
    pub interface: Option<u32>,
    /// Interfaces for which a program of somebody else goes on with what passes, a bit each.
    pub followed: u64,
    /// The CPU that runs.
    pub cpu: u32,
    /// CPUs that have a queue.
    pub queues: BTreeSet<u32>,
    /// Seed of the flow hash.
    pub hash_seed: u64,
    /// The time.
    pub clock: HostClock,
    /// Which packets are shown to user space.
    pub sampling: Sampling,
    /// Entries of all slots.
    pub slot_cpus: Vec<u32>,
    cells: BTreeMap<u32, HostCell>,
    /// Buckets of the interfaces.
    shared: BTreeMap<u32, HostBucket>,
    dropped: BTreeMap<u32, HostLine>,
    sources: Vec<[HostBucket; SOURCES_PER_LINE]>,
    offenders: BTreeMap<u32, OffenderSet>,
    outcomes: Vec<PacketCounter>,
    rules: Vec<PacketCounter>,
    slots: Vec<u64>,
}

impl HostTables {
    /// Tables without a policy, on CPU `cpu`. The clock stands at one hour.
    pub fn new(cpu: u32, hash_seed: u64) -> Self {
        let outcomes = interfaces_and_outcomes().count();
        Self {
            policy: None,
            epoch: 0,
            blocks: Vec::new(),
            lanes: Lanes::default(),
            flow_lines: vec![FlowLine::default(); FLOW_LINES],
            flow_lines_read: 0,
            flows: FlowMask::default(),
            interface: None,
            followed: 0,
            cpu,
            queues: BTreeSet::new(),
            hash_seed,
            clock: HostClock::at(3_600_000_000_000, 250),
            sampling: Sampling::OFF,
            slot_cpus: vec![STAY; index(MAX_SLOTS)],
            cells: BTreeMap::new(),
            shared: BTreeMap::new(),
            dropped: BTreeMap::new(),
            sources: (0..SOURCE_LINES).map(|_| Default::default()).collect(),
            offenders: BTreeMap::new(),
            outcomes: vec![PacketCounter::default(); outcomes],
            rules: vec![PacketCounter::default(); index(MAX_RULES)],
            slots: vec![0; index(MAX_SLOTS)],
        }
    }

    /// Puts a policy into force.
    pub fn install(&mut self, tables: PolicyTables) {
        let image = &tables.compiled.image;
        let mut words = image.words.iter();
        for piece in &image.pieces {
            for word in piece.start..piece.start + piece.words {
                let (block, place) = (index(word / 8), index(word % 8));
                if self.blocks.len() <= block {
                    self.blocks.resize(block + 1, Block::default());
                }
                self.blocks[block].words[place] = *words.next().unwrap();
            }
        }
        let seed = if tables.compiled.remembers_flows {
            self.hash_seed | 1
        } else {
            0
        };
        self.flows = FlowMask {
            seed,
            window: FLOW_WINDOW,
            ..tables.compiled.flows
        };
        self.policy = Some(tables);
        self.epoch += 1;
    }

    /// Rewrites a rate of the policy in force.
    pub fn set_rate(&mut self, cell: u32, rate: ClassRate) {
        let rates = self.policy.as_mut().map(|policy| &mut policy.rates);
        for (of, old) in rates.into_iter().flatten() {
            if *of == cell {
                *old = rate;
            }
        }
    }

    /// Lets packets go by what was rewritten.
    pub fn put_rates_into_force(&mut self) {
        self.epoch += 1;
    }

    /// What was refused of the sources of the class in `cell`.
    pub fn source_counters(&self, cell: u32) -> SourceCounters {
        self.cells
            .get(&cell)
            .map_or_else(SourceCounters::default, |cell| cell.sources)
    }

    /// Reads the counters.
    pub fn counters(&self, watched: Watched) -> Counters {
        let slots = watched.cpu_sets * stormbolt_common::limits::SLOTS_PER_CPU_SET;
        Counters {
            outcomes: self.outcomes.clone(),
            rules: self.rules.clone(),
            cells: watched
                .cells()
                .map(|cell| self.cell_counters(cell))
                .collect(),
            slots: self.slots[..index(slots)].to_vec(),
        }
    }

    fn cell_counters(&self, cell: u32) -> CellCounters {
        self.cells
            .get(&cell)
            .map_or_else(CellCounters::default, |cell| CellCounters {
                passed_packets: cell.counters.passed_packets,
                passed_bytes: cell.counters.passed_bytes,
                dropped_packets: cell.refusals.dropped_packets,
                dropped_bytes: cell.refusals.dropped_bytes,
            })
    }
}

impl Rules for HostTables {
    fn word(&self, index: u32) -> Option<u64> {
        let place = usize::try_from(index % 8).unwrap();
        self.block(index)?.words.get(place).copied()
    }

    fn half(&self, index: u32) -> Option<&[u64; 4]> {
        let (halves, _) = self.block(index)?.words.as_chunks();
        halves.get(usize::try_from(index / 4 % 2).unwrap())
    }

    fn block(&self, index: u32) -> Option<&Block> {
        self.blocks.get(usize::try_from(index / 8).unwrap())
    }

    fn roots(&self, is_ipv4: bool) -> Option<&FamilyRoots> {
        let [ipv4, ipv6] = &self.policy.as_ref()?.compiled.roots;
        Some(if is_ipv4 { ipv4 } else { ipv6 })
    }

    fn flow_words(&self) -> FlowWords {
        self.lanes.flow
    }

    fn set_flow_words(&mut self, words: FlowWords) {
        self.lanes.flow = words;
    }

    fn flow_mask(&self) -> Option<&FlowMask> {
        Some(&self.flows)
    }

    fn flow_line(&mut self, number: u32) -> Option<&mut FlowLine> {
        let lines = self.flow_lines.len();
        self.flow_lines_read += 1;
        self.flow_lines.get_mut(index(number) % lines)
    }

    fn swap_flow_lines(&mut self, number: u32, other: u32) {
        let lines = self.flow_lines.len();
        self.flow_lines
            .swap(index(number) % lines, index(other) % lines);
    }

    fn flow_gauge(&mut self) -> &mut FlowGauge {
        &mut self.lanes.flows
    }

    fn lane(&self, lane: u32) -> u32 {
        self.lanes.values[index(lane % 32)]
    }

    fn set_lane(&mut self, lane: u32, value: u32) {
        self.lanes.values[index(lane % 32)] = value;
    }
}

impl Tables for HostTables {
    type Bucket = HostBucket;
    type Dropped = HostLine;
    type Clock = HostClock;
    type SourceWord = HostBucket;

    fn generation(&self) -> u32 {
        self.policy
            .as_ref()
            .map_or(0, |policy| policy.header.generation)
    }

    fn policy(&self) -> Option<PolicyHeader> {
        Some(self.policy.as_ref()?.header)
    }

    fn interface(&self) -> Option<u32> {
        self.interface
    }

    fn epoch(&self) -> u32 {
        self.epoch
    }

    fn class(&mut self, cell: u32) -> Option<&mut ClassCell> {
        Some(&mut self.cells.entry(cell).or_default().counters)
    }

    fn rate(&self, cell: u32) -> Option<&ClassRate> {
        let rates = &self.policy.as_ref()?.rates;
        let given = rates.iter().find(|(of, _)| *of == cell);
        Some(given.map_or(&ClassRate::UNLIMITED, |(_, rate)| rate))
    }

    fn class_to_pay(
        &mut self,
        cell: u32,
        interface: u32,
        flow: u32,
    ) -> Option<ToPay<'_, HostBucket, HostLine>> {
        let policy = self.policy.as_ref()?;
        let given = policy.rates.iter().find(|(of, _)| *of == cell);
        let capacities = &policy.interface_rates;
        let capacity = capacities.iter().find(|(of, _)| *of == interface);
        let held = self.cells.entry(cell).or_default();
        let buckets = Buckets {
            own: &held.own,
            ceil: &held.ceil,
            beside: &held.beside,
            shared: self.shared.entry(interface).or_default(),
            interface: capacity.map_or(&InterfaceRate::LENDS_NOTHING, |(_, capacity)| capacity),
            silent_from_ns: u64::MAX,
        };
        Some(ToPay {
            rate: given.map_or(&ClassRate::UNLIMITED, |(_, rate)| rate),
            cell: &mut held.counters,
            refusals: &mut held.refusals,
            ahead: &mut held.ahead,
            buckets,
            dropped: self.dropped.entry(dropped_line_index(flow)).or_default(),
        })
    }

    fn source_limit(&self, number: u32) -> Option<&SourceLimit> {
        let policy = self.policy.as_ref()?;
        policy.source_limits.get(index(number))
    }

    fn source_line(&self, number: u32) -> Option<&[HostBucket; SOURCES_PER_LINE]> {
        self.sources.get(index(number) % SOURCE_LINES)
    }

    fn refused(&mut self, cell: u32, hash: u32) -> Option<Refused<'_>> {
        Some(Refused {
            counters: &mut self.cells.entry(cell).or_default().sources,
            offenders: self.offenders.entry(hash % OFFENDER_SETS).or_default(),
        })
    }

    fn tick_ns(&self) -> u64 {
        4_000_000
    }

    fn clock(&self) -> HostClock {
        self.clock
    }

    fn hash_seed(&self) -> u64 {
        self.hash_seed
    }

    fn cpu_of_slot(&self, slot: u32) -> Option<u32> {
        cpu_of_entry(*self.slot_cpus.get(index(slot))?)
    }

    fn this_cpu(&self) -> u32 {
        self.cpu
    }

    fn redirect(&mut self, cpu: u32) -> bool {
        self.queues.contains(&cpu)
    }

    fn sampling(&self) -> Sampling {
        self.sampling
    }

    fn followed(&self) -> u64 {
        self.followed
    }

    fn sample_gauge(&mut self) -> &mut SampleGauge {
        &mut self.lanes.samples
    }

    fn count_slot(&mut self, slot: u32) {
        self.slots[index(slot)] += 1;
    }

    fn count_rule(&mut self, counter: u32, bytes: u64) {
        add(&mut self.rules[index(counter)], bytes);
    }

    fn count_outcome(&mut self, interface: u32, outcome: Outcome, bytes: u64) {
        assert!(interface < MAX_INTERFACES);
        let position = index(interface) * Outcome::ALL.len() + index(outcome.index());
        add(&mut self.outcomes[position], bytes);
    }
}

fn add(counter: &mut PacketCounter, bytes: u64) {
    counter.packets += 1;
    counter.bytes += bytes;
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap()
}
