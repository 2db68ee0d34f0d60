//! Who sends most, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;

use crate::estimate::approach;
use crate::units::{BitsPerSecond, Nanoseconds};

/// How long rates are smoothed over.
const TIME_CONSTANT: Nanoseconds = Nanoseconds::from_millis(2_000);
/// Who has not been seen for so long is forgotten.
const FORGOTTEN_AFTER: Nanoseconds = Nanoseconds::from_millis(30_000);
/// Packets are counted in thousandths, so that slow ones have a rate.
const THOUSANDTHS: u64 = 1_000;

/// Those who send, and how much. When there is no room for one more, the half of them that sends least is forgotten: what a
/// flood of ever new ones leaves behind goes, those who send much stay, and a packet costs the same on average.
#[derive(Debug)]
pub struct Talkers<K> {
    known: HashMap<K, Talker>,
    limit: usize,
    rolled: Nanoseconds,
}

/// One that sends. Rates are estimates from samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talker {
    /// What rules or the default said of the last packet ([`stormbolt_common::policy::RuleEntry::verdict`]).
    pub verdict: u32,
    /// What became of the last one ([`stormbolt_common::outcome::Outcome::index`]).
    pub outcome: u32,
    /// When that was.
    pub last_seen: Nanoseconds,
    /// What it sends.
    pub offered: BitsPerSecond,
    /// What of it is dropped.
    pub dropped: BitsPerSecond,
    /// Packets that it sends, a thousand seconds' worth.
    pub packets_per_1000_seconds: u64,
    /// Round trips to where it comes from, if any were measured.
    pub round_trip: Option<RoundTrip>,
    /// What came since rates were reckoned last, in bits, bits and thousandths of a packet.
    since: [u64; 3],
}

/// Round trips of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// The shortest one.
    pub least: Nanoseconds,
    /// Smoothed as TCP does (RFC 6298 section 2).
    pub smoothed: Nanoseconds,
    /// How many were measured.
    pub count: u64,
}

/// What a sampled packet adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Bytes of the frame, without FCS.
    pub bytes: u64,
    /// For how many packets it stands, in halves.
    pub stands_for_halves: u64,
    /// What rules or the default said.
    pub verdict: u32,
    /// What became of it.
    pub outcome: u32,
    /// It was dropped.
    pub is_dropped: bool,
}

impl Talker {
    /// Reckons rates of what came in `span`.
    fn roll(&mut self, span: Nanoseconds) {
        let [offered, dropped, packets] = std::mem::take(&mut self.since);
        let smoothed = |rate: u64, counted: u64| {
            let counted = u128::from(counted) * 1_000_000_000;
            let now = counted.checked_div(u128::from(span.0)).unwrap_or(0);
            let now = u64::try_from(now).unwrap_or(u64::MAX);
            approach(rate, now, span, TIME_CONSTANT)
        };
        self.offered = BitsPerSecond(smoothed(self.offered.0, offered));
        self.dropped = BitsPerSecond(smoothed(self.dropped.0, dropped));
        self.packets_per_1000_seconds = smoothed(self.packets_per_1000_seconds, packets);
    }

    /// By what it is held against others.
    const fn weight(&self) -> u64 {
        let [offered, ..] = self.since;
        self.offered.0.saturating_add(offered)
    }
}

impl<K: Copy + Eq + Hash + Ord> Talkers<K> {
    /// Room for so many.
    pub fn with_room_for(limit: usize) -> Self {
        Self {
            known: HashMap::new(),
            limit: limit.max(2),
            rolled: Nanoseconds(0),
        }
    }

    /// Takes note of a packet of `who`.
    pub fn note(&mut self, who: K, part: Part, now: Nanoseconds) {
        if self.known.len() >= self.limit && !self.known.contains_key(&who) {
            self.forget_half();
        }
        let talker = self.known.entry(who).or_default();
        talker.verdict = part.verdict;
        talker.outcome = part.outcome;
        talker.last_seen = now;
        let bits = part
            .bytes
            .saturating_mul(part.stands_for_halves)
            .saturating_mul(4);
        let dropped = if part.is_dropped { bits } else { 0 };
        let packets = part.stands_for_halves.saturating_mul(THOUSANDTHS / 2);
        for (sum, more) in talker.since.iter_mut().zip([bits, dropped, packets]) {
            *sum = sum.saturating_add(more);
        }
    }

    /// Takes note of a round trip to where `who` is, if it is known.
    pub fn note_round_trip(&mut self, who: &K, took: Nanoseconds) {
        let Some(talker) = self.known.get_mut(who) else {
            return;
        };
        talker.round_trip = Some(match talker.round_trip {
            None => RoundTrip {
                least: took,
                smoothed: took,
                count: 1,
            },
            Some(before) => RoundTrip {
                least: before.least.min(took),
                smoothed: Nanoseconds(before.smoothed.0 / 8 * 7 + took.0 / 8),
                count: before.count.saturating_add(1),
            },
        });
    }

    /// Reckons rates anew; to be called about once a second.
    pub fn roll(&mut self, now: Nanoseconds) {
        let span = now.since(self.rolled);
        self.rolled = now;
        self.known.retain(|_, talker| {
            talker.roll(span);
            now.since(talker.last_seen) < FORGOTTEN_AFTER
        });
    }

    /// Those that send most, the first of them first.
    pub fn top(&self, count: usize) -> Vec<(K, Talker)> {
        let mut all: Vec<(K, Talker)> = self
            .known
            .iter()
            .map(|(who, talker)| (*who, *talker))
            .collect();
        all.sort_by_key(|(who, talker)| (std::cmp::Reverse(talker.offered), *who));
        all.truncate(count);
        all
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn forget_half(&mut self) {
        let mut weights: Vec<(u64, K)> = self
            .known
            .iter()
            .map(|(who, talker)| (talker.weight(), *who))
            .collect();
        let half = weights.len() / 2;
        weights.select_nth_unstable(half);
        for (_, who) in weights.iter().take(half) {
            self.known.remove(who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn part(bytes: u64) -> Part {
        Part {
            bytes,
            stands_for_halves: 2,
            ..Part::default()
        }
    }

    #[test]
    fn a_steady_sender_has_its_rate_and_then_is_forgotten() {
        let mut talkers = Talkers::with_room_for(10);
        for second in 1..=30 {
            for _ in 0..100 {
                talkers.note(7, part(1_000), Nanoseconds(second * SECOND));
            }
            talkers.roll(Nanoseconds(second * SECOND));
        }
        let [(who, talker)] = talkers.top(5)[..] else {
            panic!("one");
        };
        assert_eq!(who, 7);
        assert!(
            (795_000..=800_000).contains(&talker.offered.0),
            "{talker:?}"
        );
        let packets = talker.packets_per_1000_seconds;
        assert!((99_000..=100_000).contains(&packets));
        for second in 31..62 {
            talkers.roll(Nanoseconds(second * SECOND));
        }
        assert!(talkers.is_empty());
    }

    #[test]
    fn what_is_dropped_is_told_apart() {
        let mut talkers = Talkers::with_room_for(10);
        for second in 1..=30 {
            for packet in 0..100 {
                let part = Part {
                    is_dropped: packet % 4 == 0,
                    ..part(1_000)
                };
                talkers.note(7, part, Nanoseconds(second * SECOND));
            }
            talkers.roll(Nanoseconds(second * SECOND));
        }
        let (_, talker) = talkers.top(1)[0];
        assert!(talker.dropped.0.abs_diff(talker.offered.0 / 4) < 10);
    }

    #[test]
    fn who_sends_much_stays_while_a_flood_of_others_comes_and_goes() {
        let mut talkers = Talkers::with_room_for(100);
        let mut stranger = 1_000;
        for second in 1..=10 {
            let now = Nanoseconds(second * SECOND);
            for heavy in 0..10_u64 {
                talkers.note(heavy, part(10_000 + heavy), now);
            }
            for _ in 0..10_000 {
                stranger += 1;
                talkers.note(stranger, part(60), now);
                assert!(talkers.len() <= 100);
            }
            talkers.roll(now);
        }
        let heavy: Vec<u64> = talkers.top(10).into_iter().map(|(who, _)| who).collect();
        assert_eq!(heavy, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn round_trips_are_smoothed_and_the_shortest_is_kept() {
        let mut talkers = Talkers::with_room_for(2);
        talkers.note_round_trip(&1, Nanoseconds(5));
        talkers.note(1, part(1), Nanoseconds(1));
        for took in [8_000, 16_000, 8_000] {
            talkers.note_round_trip(&1, Nanoseconds(took));
        }
        let (_, talker) = talkers.top(1)[0];
        let trip = talker.round_trip.unwrap();
        assert_eq!((trip.least, trip.count), (Nanoseconds(8_000), 3));
        assert!((8_001..9_000).contains(&trip.smoothed.0));
    }
}
