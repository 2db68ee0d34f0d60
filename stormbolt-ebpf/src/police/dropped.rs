//! Remembers which TCP segments of a flow were dropped, as one range of sequence numbers.
//!
//! New data lies behind everything that was sent before, so a segment inside of the range is one that comes
//! again. The memory is bounded: a flow that finds no free entry takes the place of the one whose last
//! drop is the longest ago. A flow that is forgotten is policed like any other packets.

use stormbolt_common::dropped::{DroppedRange, MOST_OWED, RANGES_PER_LINE};

/// Half of the space of sequence numbers: what is further away than that lies on the other side.
const HALF: u32 = 1 << 31;
/// A range is not let grow beyond this: it would meet new data where the numbers wrap.
const WIDEST: u32 = 1 << 30;
/// Jiffies (1 to 10 ms each) without a drop after which a range says nothing any more: everything in it has
/// come again, or its sender has given up.
const STALE: u16 = 1 << 12;
/// Jiffies without a drop after which a sender has waited, and not only sent on into the next jiffy: a probe
/// for lost segments comes two jiffies of its sender after the last segment at the earliest.
const PAUSE: u16 = 2;

/// Jiffies that another CPU may be ahead by.
const AHEAD: u16 = 16;

/// Of a flow that has had nothing yet. Taken for a time it would say, for a second in each minute, that all such flows
/// have had their share; a flow that has had something until just then is let off.
const NOTHING_YET: u16 = 0;

/// A line that all CPUs share without a lock: what two of them note of one flow at once may be lost or mixed. A
/// segment that is not known then is policed as any packet, and one that is taken for a known one is paid for as well.
pub trait SharedLine {
    /// The entry at a place, modulo their number.
    fn range(&self, place: usize) -> DroppedRange;
    /// Replaces it.
    fn set_range(&self, place: usize, range: DroppedRange);
}

/// What a segment is to its flow's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing of its flow was dropped of late.
    Not,
    /// Behind what was dropped, or before.
    Outside,
    /// The same, and nothing of its flow was dropped of late: the sender has waited.
    AfterPause,
    /// Among what was dropped.
    Again,
}

/// A flow's entry, or the place that it would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where.
    place: usize,
    /// A copy of it; of flow zero: the flow has none.
    pub(super) range: DroppedRange,
}

/// More than any pause: an entry that is free is as good as one that nobody has asked for long.
const FREE: usize = 1 << 16;
/// More than that: the entry of the flow itself.
const ITS_OWN: usize = 1 << 17;

/// The entry of `flow` in its line.
#[inline(always)]
pub fn find<L: SharedLine>(line: &L, flow: u32, jiffy: u16) -> Found {
    // The place stands in the lowest bits, and is taken out of them again: to the verifier, one number that it knows
    // nothing of, or it would follow each place by itself to the end.
    let mut best = 0;
    for place in 0..RANGES_PER_LINE {
        let range = line.range(place);
        let age = if range.flow == flow {
            ITS_OWN
        } else if range.flow == 0 {
            FREE
        } else {
            usize::from(pause(&range, jiffy))
        };
        let rank = age * RANGES_PER_LINE + place;
        if rank >= best {
            best = rank;
        }
    }
    let place = best % RANGES_PER_LINE;
    let mut range = line.range(place);
    // Wider than a range gets: two CPUs have mixed it.
    let is_mixed = range.high.wrapping_sub(range.low) > WIDEST;
    if range.flow != flow || pause(&range, jiffy) >= STALE || is_mixed {
        range = DroppedRange::default();
    }
    Found { place, range }
}

impl Found {
    /// Of a packet that is of no flow.
    pub(super) const NOTHING: Self = Self {
        place: 0,
        range: DroppedRange {
            flow: 0,
            low: 0,
            high: 0,
            jiffy: 0,
            owes_until: NOTHING_YET,
        },
    };

    /// What is known of a segment that begins at `sequence`.
    #[inline(always)]
    pub const fn recall(&self, sequence: u32, jiffy: u16) -> Known {
        if self.range.flow == 0 {
            Known::Not
        } else if within(&self.range, sequence) {
            Known::Again
        } else if pause(&self.range, jiffy) >= PAUSE {
            Known::AfterPause
        } else {
            Known::Outside
        }
    }

    /// Takes note that a segment of `flow` was dropped.
    #[inline(always)]
    pub const fn note_dropped(&mut self, flow: u32, sequence: u32, jiffy: u16) {
        if self.range.flow == 0 {
            self.range.flow = flow;
            self.range.low = sequence;
            self.range.high = sequence;
            self.range.owes_until = NOTHING_YET;
        } else {
            widen(&mut self.range, sequence);
        }
        self.range.jiffy = jiffy;
    }

    /// Takes note that a segment has passed of which so much was known.
    #[inline(always)]
    pub fn note_passed(&mut self, known: Known, sequence: u32, jiffy: u16) {
        let range = &mut self.range;
        if known == Known::AfterPause {
            range.jiffy = jiffy;
        }
        if known == Known::Again && range.low == sequence {
            // The first of what was dropped is then the next one at the earliest. The flow stays known when nothing is
            // left: no segment begins at the byte behind this one's first, but where it was the only one.
            range.low = sequence.wrapping_add(1);
            if range.high == sequence {
                range.high = range.low;
            }
        }
    }

    /// Puts it into its line.
    #[inline(always)]
    pub fn keep<L: SharedLine>(&self, line: &L) {
        line.set_range(self.place, self.range);
    }
}

/// What a flow has had ahead of the rate of late, of [`MOST_OWED`].
#[inline(always)]
pub(super) const fn owes(range: &DroppedRange, now: u16) -> u16 {
    if range.owes_until == NOTHING_YET {
        return 0;
    }
    let owes = range.owes_until.wrapping_sub(now);
    // Longer than it can be: the time has come, or has passed long ago.
    if owes > MOST_OWED { 0 } else { owes }
}

/// Jiffies since something of a flow was dropped; none if that was in one that this CPU has not seen begin.
#[inline(always)]
const fn pause(range: &DroppedRange, jiffy: u16) -> u16 {
    let pause = jiffy.wrapping_sub(range.jiffy);
    if pause > u16::MAX - AHEAD { 0 } else { pause }
}

#[inline(always)]
const fn within(range: &DroppedRange, sequence: u32) -> bool {
    sequence.wrapping_sub(range.low) <= range.high.wrapping_sub(range.low)
}

#[inline(always)]
const fn widen(range: &mut DroppedRange, sequence: u32) {
    if within(range, sequence) {
        return;
    }
    if sequence.wrapping_sub(range.high) < HALF {
        range.high = sequence;
    } else {
        range.low = sequence;
    }
    if range.high.wrapping_sub(range.low) > WIDEST {
        range.low = sequence;
        range.high = sequence;
    }
}
