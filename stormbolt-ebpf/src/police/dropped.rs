//! Remembers which TCP segments of a flow were dropped, as one range of sequence numbers.
//!
//! New data lies behind everything that was sent before, so a segment inside of the range is one that comes
//! again. The memory is bounded: a flow that finds no free entry takes the place of the one whose last
//! drop is the longest ago. A flow that is forgotten is policed like any other packets.

use stormbolt_common::dropped::{DroppedLine, DroppedRange, MOST_OWED};

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

/// Of a flow that has had nothing yet. Taken for a time it would say, for a second in each minute, that all such flows
/// have had their share; a flow that has had something until just then is let off.
const NOTHING_YET: u16 = 0;

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

/// What is known of a segment of `flow` that begins at `sequence`.
#[inline(always)]
pub fn recall(line: &DroppedLine, flow: u32, sequence: u32, jiffy: u16) -> Known {
    let mut known = Known::Not;
    for range in &line.ranges {
        let pause = jiffy.wrapping_sub(range.jiffy);
        if range.flow == flow && pause < STALE {
            known = if within(range, sequence) {
                Known::Again
            } else if pause >= PAUSE {
                Known::AfterPause
            } else {
                Known::Outside
            };
        }
    }
    known
}

/// Takes note that a segment was dropped.
#[inline(always)]
pub fn note_dropped(line: &mut DroppedLine, flow: u32, sequence: u32, jiffy: u16) {
    let mut oldest = 0;
    let mut longest = 0;
    for (place, range) in line.ranges.iter_mut().enumerate() {
        let pause = jiffy.wrapping_sub(range.jiffy);
        if range.flow == flow && pause < STALE {
            widen(range, sequence);
            range.jiffy = jiffy;
            return;
        }
        // An entry that is free or of the same flow is as good as one that nobody has asked for long.
        let pause = if range.flow == flow || range.flow == 0 {
            u16::MAX
        } else {
            pause
        };
        if pause >= longest {
            longest = pause;
            oldest = place;
        }
    }
    if let Some(range) = line.ranges.get_mut(oldest) {
        *range = DroppedRange {
            flow,
            low: sequence,
            high: sequence,
            jiffy,
            owes_until: NOTHING_YET,
        };
    }
}

/// Takes note that a segment has passed which was among what was dropped: the first of them is then the
/// next one at the earliest.
#[inline(always)]
pub fn note_passed(line: &mut DroppedLine, flow: u32, sequence: u32) {
    for range in &mut line.ranges {
        if range.flow == flow && range.low == sequence {
            // The flow stays known when nothing is left. No segment begins at the byte behind this one's first,
            // but where it was the only one.
            range.low = sequence.wrapping_add(1);
            if range.high == sequence {
                range.high = range.low;
            }
        }
    }
}

/// Takes note that something of a flow has passed or was marked for its pause.
#[inline(always)]
pub(super) fn note_pause_over(line: &mut DroppedLine, flow: u32, jiffy: u16) {
    for range in &mut line.ranges {
        if range.flow == flow {
            range.jiffy = jiffy;
        }
    }
}

/// What a flow has had ahead of the rate of late, of [`MOST_OWED`].
#[inline(always)]
pub(super) fn owes(line: &DroppedLine, flow: u32, now: u16) -> u16 {
    let mut owes = 0;
    for range in &line.ranges {
        if range.flow == flow && range.owes_until != NOTHING_YET {
            owes = range.owes_until.wrapping_sub(now);
        }
    }
    // Longer than it can be: the time has come, or has passed long ago.
    if owes > MOST_OWED { 0 } else { owes }
}

/// Takes note until when a flow has had its share.
#[inline(always)]
pub(super) fn note_owed(line: &mut DroppedLine, flow: u32, until: u16) {
    for range in &mut line.ranges {
        if range.flow == flow {
            range.owes_until = until;
        }
    }
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
