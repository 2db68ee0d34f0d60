//! What is known from samples, for all who ask.

use std::collections::BTreeMap;
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

/// A packet that a capture wants.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// As the data path has shown it.
    pub sample: Sample,
    /// What its headers say, if it is IP.
    pub packet: Option<Packet>,
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
        let mut state = self.state();
        // What comes meanwhile has its turn as well, but not without end.
        for sample in samples.take(MAX_SAMPLES) {
            state.note(&sample);
        }
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
        Some(Captured { packets, lost })
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
            // The longest gap, so that the gaps are half as long on average.
            let longest = one_in.saturating_mul(2).saturating_sub(1);
            let mask = longest.checked_next_power_of_two().map_or(0, |gap| gap / 2);
            let mask = if one_in == 1 {
                0
            } else {
                mask.saturating_sub(1)
            };
            sampling.packet_mask = sampling.packet_mask.min(mask);
            sampling.per_jiffy = PER_JIFFY_OF_CAPTURES;
        }
        sampling
    }
}

impl Capture {
    fn offer(&mut self, sample: &Sample, packet: Option<Packet>, halves: u64) {
        if !self.filter.takes(sample, packet.as_ref()) {
            return;
        }
        if self.one_in > 1 {
            self.halves = self.halves.saturating_add(halves);
            if self.halves < u64::from(self.one_in) * 2 {
                return;
            }
            self.halves = 0;
        }
        let sighting = Sighting {
            sample: *sample,
            packet,
        };
        if self.to.try_send(sighting).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::tests::{sample, segment};
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn dropped(time: u64) -> Sample {
        let mut sample = sample(&segment(946, 1, 2));
        sample.head.outcome = Outcome::OverRate.index();
        sample.head.verdict = 4;
        sample.head.time_ns = time;
        sample
    }

    #[test]
    fn those_that_send_most_are_known_with_what_is_dropped_of_it() {
        let board = Board::default();
        for second in 1..=20 {
            let now = second * SECOND;
            let samples = (0..100).map(|_| dropped(now));
            board.take(samples, Nanoseconds(now), 7);
        }
        let top = board.top(5);
        let ([(flow, talker)], [((ifindex, source), _)]) = (&top.flows[..], &top.sources[..])
        else {
            panic!("{top:?}");
        };
        assert_eq!((flow.ports, *ifindex), (Some((50_000, 443)), 3));
        assert_eq!(*source, flow.source);
        // A hundred frames of 1,012 bytes a second.
        assert!((800_000..=809_600).contains(&talker.offered.0));
        assert_eq!((talker.dropped, talker.verdict), (talker.offered, 4));
        assert_eq!(top.counts.shown, 2_000);
    }

    #[test]
    fn packets_that_were_let_go_are_counted_for_the_next_one_that_was_not() {
        let board = Board::default();
        let mut samples = [dropped(1), dropped(2), dropped(3)];
        samples[1].head.over_limit = 8;
        samples[2].head.over_limit = 8;
        samples[2].head.no_room = 4;
        board.take(samples.into_iter(), Nanoseconds(SECOND), 7);
        let (counts, _) = board.counts();
        assert_eq!((counts.shown, counts.over_limit, counts.no_room), (3, 8, 4));
        let (_, talker) = board.top(1).flows[0];
        // 1 + (1 + 8) + (1 + 4).
        let expected = 15_000 * 1_000 / 3_000;
        assert!(talker.packets_per_1000_seconds.abs_diff(expected) <= 1);
    }

    #[test]
    fn a_capture_gets_what_it_wants_and_what_it_does_not_take_is_lost() {
        let board = Board::default();
        let wants_drops = Filter {
            is_dropped: Some(true),
            ..Filter::default()
        };
        let mut captured = board.capture(wants_drops, 1).unwrap();
        let passed = sample(&segment(0, 1, 2));
        let samples = (0..5_000).flat_map(|time| [dropped(time), passed]);
        board.take(samples, Nanoseconds(SECOND), 7);
        assert_eq!(captured.lost(), 5_000 - 4_096);
        let first = captured.packets.try_recv().unwrap();
        assert_eq!(
            (first.sample.head.time_ns, first.packet.is_some()),
            (0, true)
        );
    }

    #[test]
    fn of_one_in_so_many_packets_one_in_so_many_is_taken() {
        let board = Board::default();
        let mut captured = board.capture(Filter::default(), 10).unwrap();
        board.take((0..1_000).map(dropped), Nanoseconds(SECOND), 7);
        let taken = std::iter::from_fn(|| captured.packets.try_recv().ok());
        assert_eq!(taken.count(), 100);
    }

    #[test]
    fn as_long_as_somebody_captures_as_many_are_shown_as_are_wanted() {
        let board = Board::default();
        // A flood, of which one in some thousand is shown.
        let mut flood = dropped(1);
        flood.head.stands_for_halves = 2_000;
        let shown = |count: usize, now| {
            let samples = std::iter::repeat_n(flood, count);
            board.take(samples, Nanoseconds(now), 7)
        };
        let alone = shown(2_000, SECOND);
        assert!(alone.packet_mask >= 1_023, "{alone:?}");
        let fine = board.capture(Filter::default(), 1).unwrap();
        let sampling = shown(2_000, 2 * SECOND);
        assert_eq!((sampling.packet_mask, sampling.per_jiffy), (0, 1_024));
        drop(fine);
        let coarse = board.capture(Filter::default(), 64).unwrap();
        assert_eq!(shown(2_000, 3 * SECOND).packet_mask, 63);
        drop(coarse);
        assert_eq!(shown(2_000, 4 * SECOND), alone);
    }

    #[test]
    fn there_are_so_many_captures_at_most_and_they_end_with_the_daemon() {
        let board = Board::default();
        let capture = || board.capture(Filter::default(), 1);
        let mut some: Vec<_> = (0..MAX_CAPTURES).map(|_| capture().unwrap()).collect();
        assert!(capture().is_none());
        some.pop();
        some.push(capture().unwrap());
        board.close();
        let ended = some[0].packets.try_recv();
        assert_eq!(ended.unwrap_err(), mpsc::error::TryRecvError::Disconnected);
    }
}
