//! What is known from samples, for all who ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stormbolt_common::Address;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::sample::{Sample, Sampling};
use stormbolt_control::flows::{Flow, Observed, Pace, Part, RoundTrips, Talker, Talkers};
use stormbolt_control::units::Nanoseconds;
use tokio::sync::mpsc;

use super::filter::{Filter, outcome};
use super::packet::Packet;
use super::{MAX_FLOWS, MAX_SOURCES};
use crate::telemetry::RoundTripTimes;

/// Segments that are waited for at most.
const MAX_SEGMENTS: usize = 16_384;
/// Packets that wait for a capture at most; others are lost to it.
const MAX_WAITING: usize = 4_096;
/// Packets that are taken at a time.
const MAX_SAMPLES: usize = 16_384;
/// Those of them that are taken without anybody else having a turn.
const SAMPLES_AT_ONCE: usize = 256;
/// Captures at a time.
const MAX_CAPTURES: usize = 4;
/// Packets that each CPU shows in a jiffy at most while somebody captures.
const PER_JIFFY_OF_CAPTURES: u32 = 1_024;
/// How often rates are reckoned anew.
const ROLL_EVERY: Nanoseconds = Nanoseconds::from_millis(1_000);

/// The board. Copies are one and the same.
#[derive(Clone, Debug)]
pub struct Board(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    flows: Talkers<Flow>,
    sources: Talkers<(u32, Address)>,
    round_trips: RoundTrips,
    times: RoundTripTimes,
    pace: Pace,
    captures: Vec<Capture>,
    /// What each CPU had let go when it showed its last packet.
    let_go: BTreeMap<u32, LetGo>,
    counts: SampleCounts,
    since: Observed,
    paced: Nanoseconds,
    rolled: Nanoseconds,
}

/// What a CPU has let go, modulo 2^32.
#[derive(Clone, Copy, Debug, Default)]
struct LetGo {
    no_room: u32,
    over_limit: u32,
}

/// What came of sampling so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// Packets that were shown.
    pub shown: u64,
    /// Packets that were to be shown and for which there was no room.
    pub no_room: u64,
    /// Packets that were more than may be shown in a moment.
    pub over_limit: u64,
    /// Round trips that were measured.
    pub round_trips: u64,
}

impl SampleCounts {
    /// Packets that were to be shown and were not.
    const fn let_go(&self) -> u64 {
        self.no_room.wrapping_add(self.over_limit)
    }
}

/// A packet that a capture wants.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// As the data path has shown it.
    pub sample: Sample,
    /// What its headers say, if it is IP.
    pub packet: Option<Packet>,
    /// For how many packets like it it stands, in halves.
    pub stands_for_halves: u64,
}

#[derive(Debug)]
struct Capture {
    filter: Filter,
    one_in: u32,
    /// What came since the last packet that was taken, in halves.
    halves: u64,
    to: mpsc::Sender<Sighting>,
    lost: Arc<AtomicU64>,
}

/// The packets of a capture; it ends when this is dropped.
#[derive(Debug)]
pub struct Captured {
    packets: mpsc::Receiver<Sighting>,
    lost: Arc<AtomicU64>,
    board: Board,
    /// What the data path had let go when it began.
    let_go_before: u64,
}

impl Captured {
    /// The next one; `None`: the daemon ends.
    pub async fn next(&mut self) -> Option<Sighting> {
        self.packets.recv().await
    }

    /// Packets that were not taken fast enough.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Packets of any kind that the data path was to show since it began, and did not: there was no room, or they were too
    /// many.
    pub fn not_shown(&self) -> u64 {
        let (counts, _) = self.board.counts();
        counts.let_go().wrapping_sub(self.let_go_before)
    }
}

/// Those that send most.
#[derive(Clone, Debug)]
pub struct Top {
    /// Flows.
    pub flows: Vec<(Flow, Talker)>,
    /// Sources, by interface.
    pub sources: Vec<((u32, Address), Talker)>,
    /// Which packets are sampled.
    pub sampling: Sampling,
    /// What came of it.
    pub counts: SampleCounts,
}

impl Default for Board {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            flows: Talkers::with_room_for(MAX_FLOWS),
            sources: Talkers::with_room_for(MAX_SOURCES),
            round_trips: RoundTrips::with_room_for(MAX_SEGMENTS),
            times: RoundTripTimes::default(),
            pace: Pace::default(),
            captures: Vec::new(),
            let_go: BTreeMap::new(),
            counts: SampleCounts::default(),
            since: Observed::default(),
            paced: Nanoseconds(0),
            rolled: Nanoseconds(0),
        })))
    }
}

impl Board {
    /// Takes packets that were shown, and says which are to be from now on; to be called some times a second. `random`
    /// chooses connections that are watched.
    pub fn take(
        &self,
        samples: impl Iterator<Item = Sample>,
        now: Nanoseconds,
        random: u32,
    ) -> Sampling {
        // What comes meanwhile has its turn as well, but not without end; others who want to see the board have theirs in
        // between.
        let mut samples = samples.take(MAX_SAMPLES).peekable();
        while samples.peek().is_some() {
            let mut state = self.state();
            for sample in samples.by_ref().take(SAMPLES_AT_ONCE) {
                state.note(&sample);
            }
        }
        let mut state = self.state();
        state.pace(now, random);
        state.sampling()
    }

    /// Packets of which `filter` wants one in `one_in`; `None`: there are as many captures as there may be.
    pub fn capture(&self, filter: Filter, one_in: u32) -> Option<Captured> {
        let mut state = self.state();
        state.captures.retain(|one| !one.to.is_closed());
        if state.captures.len() >= MAX_CAPTURES {
            return None;
        }
        let (to, packets) = mpsc::channel(MAX_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let capture = Capture {
            filter,
            one_in: one_in.max(1),
            halves: 0,
            to,
            lost: Arc::clone(&lost),
        };
        state.captures.push(capture);
        Some(Captured {
            packets,
            lost,
            let_go_before: state.counts.let_go(),
            board: self.clone(),
        })
    }

    /// Forgets what is known by the numbers of classes that have none any more: others may get them. Captures of such a class
    /// end.
    pub(crate) fn keep_classes(&self, has_class: impl Fn(u32) -> bool) {
        let mut state = self.state();
        state.times.keep_classes(&has_class);
        state
            .captures
            .retain(|one| one.filter.class.is_none_or(&has_class));
    }

    /// The numbers of classes that something is known by.
    pub(crate) fn classes(&self) -> BTreeSet<u32> {
        let state = self.state();
        let captured = state.captures.iter().filter_map(|one| one.filter.class);
        state.times.classes().chain(captured).collect()
    }

    /// Whether somebody captures.
    pub(super) fn is_captured(&self) -> bool {
        let mut state = self.state();
        state.captures.retain(|one| !one.to.is_closed());
        !state.captures.is_empty()
    }

    /// So many flows and sources that send most.
    pub fn top(&self, count: usize) -> Top {
        let state = self.state();
        Top {
            flows: state.flows.top(count),
            sources: state.sources.top(count),
            sampling: state.sampling(),
            counts: state.counts,
        }
    }

    /// What came of sampling, and round trips.
    pub(crate) fn counts(&self) -> (SampleCounts, RoundTripTimes) {
        let state = self.state();
        (state.counts, state.times.clone())
    }

    /// Nobody shows any more packets.
    pub(super) fn close(&self) {
        self.state().captures.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, sample: &Sample) {
        let head = &sample.head;
        let packet = Packet::of(sample);
        // Those that were let go before this one are as this one is, on average.
        let halves = u64::from(head.stands_for_halves).saturating_mul(1 + self.let_go(sample));
        self.counts.shown += 1;
        self.since.packets += halves / 2;
        self.since.watched += u64::from(head.is_watched);
        if let Some(packet) = &packet {
            self.note_packet(sample, packet, halves);
        }
        for capture in &mut self.captures {
            capture.offer(sample, packet, halves);
        }
    }

    fn note_packet(&mut self, sample: &Sample, packet: &Packet, halves: u64) {
        let head = &sample.head;
        let at = Nanoseconds(head.time_ns);
        if halves > 0 {
            let part = Part {
                bytes: u64::from(head.frame_bytes),
                stands_for_halves: halves,
                verdict: head.verdict,
                outcome: head.outcome,
                is_dropped: outcome(head.outcome).is_some_and(Outcome::is_drop),
            };
            let flow = packet.flow;
            self.flows.note(flow, part, at);
            self.sources.note((flow.ifindex, flow.source), part, at);
        }
        if head.is_watched == 0 {
            return;
        }
        let segment = packet.segment(at);
        let Some(took) = segment.and_then(|segment| self.round_trips.take(&segment)) else {
            return;
        };
        self.counts.round_trips += 1;
        self.flows.note_round_trip(&packet.flow, took);
        self.times.note(head.verdict, took);
    }

    /// How many packets the CPU has let go since the last one that it showed.
    fn let_go(&mut self, sample: &Sample) -> u64 {
        let now = LetGo {
            no_room: sample.head.no_room,
            over_limit: sample.head.over_limit,
        };
        let before = self.let_go.insert(sample.head.cpu, now).unwrap_or(now);
        let no_room = u64::from(now.no_room.wrapping_sub(before.no_room));
        let over_limit = u64::from(now.over_limit.wrapping_sub(before.over_limit));
        self.counts.no_room += no_room;
        self.counts.over_limit += over_limit;
        no_room + over_limit
    }

    fn pace(&mut self, now: Nanoseconds, random: u32) {
        let span = now.since(self.paced);
        if span >= Nanoseconds::from_millis(100) {
            self.paced = now;
            let observed = std::mem::take(&mut self.since);
            self.pace.go_by(observed, now, span, random);
        }
        if now.since(self.rolled) >= ROLL_EVERY {
            self.rolled = now;
            self.flows.roll(now);
            self.sources.roll(now);
            self.captures.retain(|one| !one.to.is_closed());
        }
    }

    /// What is to be shown to all who want something.
    fn sampling(&self) -> Sampling {
        let mut sampling = self.pace.sampling();
        let finest = self.captures.iter().map(|capture| capture.one_in).min();
        if let Some(one_in) = finest {
            sampling.packet_mask = sampling.packet_mask.min(mask_for(one_in));
            sampling.per_jiffy = PER_JIFFY_OF_CAPTURES;
        }
        sampling
    }
}

/// The mask whose gaps are so long on average, or the next shorter one.
fn mask_for(one_in: u32) -> u32 {
    let longest = (u64::from(one_in) * 2).saturating_sub(1);
    let gap = longest.next_power_of_two() / 2;
    u32::try_from(gap).map_or(u32::MAX, |gap| gap.saturating_sub(1))
}

impl Capture {
    fn offer(&mut self, sample: &Sample, packet: Option<Packet>, halves: u64) {
        if !self.filter.takes(sample, packet.as_ref()) {
            return;
        }
        self.halves = self.halves.saturating_add(halves);
        let each = u64::from(self.one_in) * 2;
        let stands_for_halves = if self.one_in == 1 {
            std::mem::take(&mut self.halves)
        } else if self.halves < each {
            return;
        } else {
            let whole = self.halves - self.halves % each;
            self.halves -= whole;
            whole
        };
        let sighting = Sighting {
            sample: *sample,
            packet,
            stands_for_halves,
        };
        if self.to.try_send(sighting).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
