//! What the stages see of the maps.

use stormbolt_common::classifier::Block;
use stormbolt_common::counters::{AheadCounter, ClassCell, Refusals};
use stormbolt_common::flow_cache::{FlowGauge, FlowLine, FlowMask, FlowWords};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::ClassRate;
use stormbolt_common::policy::{FamilyRoots, PolicyHeader};
use stormbolt_common::sample::{SampleGauge, Sampling};
use stormbolt_common::source::{OffenderSet, SOURCES_PER_LINE, SourceCounters, SourceLimit};

use crate::police::{Bucket, Buckets, Clock, SharedLine, SourceWord};

/// The compiled rules of all policies that packets may be in.
pub trait Rules {
    /// The word of the tables at `index` ([`stormbolt_common::classifier`]); `None` beyond their end.
    fn word(&self, index: u32) -> Option<u64>;
    /// The half of a block that has the word at `index`.
    fn half(&self, index: u32) -> Option<&[u64; 4]>;
    /// The block that has the word at `index`.
    fn block(&self, index: u32) -> Option<&Block>;
    /// The roots of the policy that the packet is in.
    fn roots(&self, is_ipv4: bool) -> Option<&FamilyRoots>;
    /// The packet's header value in this lane, the lowest five bits of `lane`.
    fn lane(&self, lane: u32) -> u32;
    /// Sets the packet's header value in this lane. The values live in a table, since edges name
    /// lanes by numbers, and indexing a stack that is nearly full already would fill it.
    fn set_lane(&mut self, lane: u32, value: u32);
    /// Most of these values again, as flows are known by them: put together by the parser, which has them at
    /// hand, so that looking a flow up does not wait for a dozen reads.
    fn flow_words(&self) -> FlowWords;
    /// Sets them.
    fn set_flow_words(&mut self, words: FlowWords);
    /// What of packets the policy's rules look at.
    fn flow_mask(&self) -> Option<&FlowMask>;
    /// Line of this CPU's flow cache, the lowest bits of `number`; `None` where there is no cache.
    fn flow_line(&mut self, number: u32) -> Option<&mut FlowLine>;
    /// Exchanges two lines of it.
    fn swap_flow_lines(&mut self, number: u32, other: u32);
    /// How well this CPU's flow cache does.
    fn flow_gauge(&mut self) -> &mut FlowGauge;
}

/// A class when its lease is spent, seen from the CPU that runs.
pub struct ToPay<'a, B, L> {
    /// The rate in force.
    pub rate: &'a ClassRate,
    /// Counters and lease.
    pub cell: &'a mut ClassCell,
    /// What was refused.
    pub refusals: &'a mut Refusals,
    /// What passed ahead of the rate.
    pub ahead: &'a mut AheadCounter,
    /// The buckets.
    pub buckets: Buckets<'a, B>,
    /// What is remembered of dropped segments.
    pub dropped: &'a L,
}

/// What one CPU knows about sources that it refused.
pub struct Refused<'a> {
    /// How much of the class.
    pub counters: &'a mut SourceCounters,
    /// Which ones, where the hash leads.
    pub offenders: &'a mut OffenderSet,
}

/// All tables, bound to the policy that was in force when the packet arrived.
pub trait Tables: Rules {
    /// The buckets' type.
    type Bucket: Bucket;
    /// The type of the memory of dropped segments.
    type Dropped: SharedLine;
    /// The clock's type.
    type Clock: Clock;
    /// The type of the words of sources' buckets.
    type SourceWord: SourceWord;

    /// Generation of the policy that the packet is in; zero: there is none yet.
    fn generation(&self) -> u32;
    /// Head of that policy; `None` before the first.
    fn policy(&self) -> Option<PolicyHeader>;
    /// Index of the interface that the packet arrived on; `None` when it is not ours.
    fn interface(&self) -> Option<u32>;
    /// Which rates were in force when the packet arrived ([`stormbolt_common::policy::InForce::epoch`]).
    fn epoch(&self) -> u32;
    /// What this CPU has of the class in `cell` ([`stormbolt_common::limits::cell`]).
    fn class(&mut self, cell: u32) -> Option<&mut ClassCell>;
    /// Its rate.
    fn rate(&self, cell: u32) -> Option<&ClassRate>;
    /// Both, with what only a packet needs that this CPU's lease does not pay for: the buckets that all
    /// CPUs share, the class's and those of `interface`, and what was dropped of flows like `flow`.
    fn class_to_pay(
        &mut self,
        cell: u32,
        interface: u32,
        flow: u32,
    ) -> Option<ToPay<'_, Self::Bucket, Self::Dropped>>;
    /// What each source may have, by the number of the limit.
    fn source_limit(&self, number: u32) -> Option<&SourceLimit>;
    /// Line of the sources' buckets, the lowest bits of `number`.
    fn source_line(&self, number: u32) -> Option<&[Self::SourceWord; SOURCES_PER_LINE]>;
    /// What this CPU has refused of the sources of the class in `cell`; `hash` is that of a source.
    fn refused(&mut self, cell: u32, hash: u32) -> Option<Refused<'_>>;
    /// The length of a jiffy, in ns.
    fn tick_ns(&self) -> u64;
    /// The clock.
    fn clock(&self) -> Self::Clock;
    /// Seed of the flow hash.
    fn hash_seed(&self) -> u64;
    /// CPU of a slot ([`stormbolt_common::steer::slot`]); `None` for packets that stay.
    fn cpu_of_slot(&self, slot: u32) -> Option<u32>;
    /// The CPU that runs.
    fn this_cpu(&self) -> u32;
    /// Hands the packet to the queue of `cpu`; `false` when that CPU has none.
    fn redirect(&mut self, cpu: u32) -> bool;

    /// Which packets are shown to user space.
    fn sampling(&self) -> Sampling;
    /// Which ones this CPU has shown.
    fn sample_gauge(&mut self) -> &mut SampleGauge;
    /// For which interfaces a program of somebody else may go on with what passes
    /// ([`stormbolt_common::policy::Active::followed`]).
    fn followed(&self) -> u64;

    /// Adds one packet to a slot's load.
    fn count_slot(&mut self, slot: u32);
    /// Adds one packet to a rule's counter.
    fn count_rule(&mut self, counter: u32, bytes: u64);
    /// Adds one packet to an outcome's counter.
    fn count_outcome(&mut self, interface: u32, outcome: Outcome, bytes: u64);
}
