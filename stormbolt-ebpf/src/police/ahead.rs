//! Lets some packets pass ahead of their class's rate, which the class pays back before anything else
//! passes.
//!
//! A policer has no queue, so a TCP sender that is too fast loses whole windows. Where it learns of that by an
//! answer to what came behind, it sends them again at once; where nothing behind passes, or what it sends again
//! is lost too, it waits for its retransmission timer: 200 ms at least, in which a bucket of 20 ms overflows ten times.
//! It is no loss only if as much is owed by then. So of a flow that has lost something of late pass
//!
//! - segments that come again because they were dropped here, as far as [`ClassRate::ahead_us`] allows;
//! - one segment after a pause, as far: by it a sender asks what has become of the others (tail loss probe,
//!   RFC 8985 section 7), or goes on after its timer;
//! - all other segments as far as the burst once more, and beyond that the fewer, the more is owed. A
//!   sender in recovery does not ask, so if all that is new were dropped, the timer would run while little is owed.
//!   Which ones pass follows from the sequence number: each segment has a mark of its own between the burst
//!   and the whole allowance.
//!
//! A flow that has had little of this lately passes half as far again: else the flow that comes first after
//! a silence would take all, time and again, while another one's timer backs off.
//!
//! A thirty-second part as far, packets of other flows pass whose loss would hold up a connection and that weigh
//! nothing (TCP without payload: SYN, ACK, FIN), and packets whose sender understands a mark in the place of a
//! drop (RFC 3168 section 5).
//!
//! The long-run rate is exact. `docs/decisions/0015-tcp-through-a-policer.md` has what was measured.

use stormbolt_common::counters::AheadCounter;
use stormbolt_common::dropped::{DroppedLine, MOST_OWED};
use stormbolt_common::police::{BLOCKED, ClassRate, MARK_CONGESTION};

use super::Clock;
use super::bucket::{Bucket, earlier, later, take_ahead};
use super::dropped::{Known, note_dropped, note_owed, note_passed, note_pause_over, owes, recall};
use super::renew::{Buckets, Refusal, charge_others, depth_for, time_at};

/// The part of [`ClassRate::ahead_us`] that packets may use of which nothing is known but what they say. With
/// an eighth, CUBIC at 1 Gbit/s kept being marked until its window was too small for the rate.
const LIGHT_PART: u64 = 32;

/// What a flow has had is counted in units of 2^20 ns.
const OWED_BITS: u32 = 20;

/// What a flow has had is counted twice, so that what one flow in two takes when they share the rate
/// evenly is forgotten just as fast as it is taken.
const OWED_TIMES: u64 = 2;

/// Segments of a known flow that pass, for each that is marked. With a mark every round trip CUBIC's window stays
/// below what its rate needs.
const PASSES_PER_MARK: u32 = 64;

/// A multiplier that spreads sequence numbers (2^32 over the golden ratio).
const SPREAD: u32 = 0x9e37_79b1;

/// What a refused packet says for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Hash of its flow, not zero; zero: it is not TCP, or its header is not in the packet.
    pub flow: u32,
    /// Sequence number of a TCP segment.
    pub sequence: u32,
    /// It is a TCP segment without payload.
    pub is_bare: bool,
    /// Its sender understands marks.
    pub is_capable: bool,
}

/// What becomes of a refused packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// It is dropped.
    Refused,
    /// It passes.
    Passed,
    /// It passes with a mark.
    Marked,
}

/// Decides on a packet of `bytes` bytes that the class's rate does not cover, and spends what it costs if it
/// passes.
#[inline(always)]
pub fn pass_ahead<C: Clock, B: Bucket>(
    rate: &ClassRate,
    counter: &mut AheadCounter,
    buckets: &Buckets<'_, B>,
    dropped: &mut DroppedLine,
    clock: &C,
    (claim, refusal): (Claim, Refusal),
    bytes: u64,
) -> Ahead {
    if rate.ahead_us == 0 || rate.cost_per_byte == BLOCKED {
        return Ahead::Refused;
    }
    let jiffy = low_bits(u64::from(clock.jiffy_low()));
    let known = if claim.flow == 0 {
        Known::Not
    } else {
        recall(dropped, claim.flow, claim.sequence, jiffy)
    };
    let marks = claim.is_capable && rate.treatment & MARK_CONGESTION != 0;
    let is_light = refusal == Refusal::Seen && (claim.is_bare || marks);
    let passes = if known != Known::Not {
        pay_as_known(
            rate,
            buckets,
            dropped,
            clock.now_ns(),
            (claim, known),
            bytes,
        )
    } else if is_light {
        let within_ns = ahead_ns(rate) / LIGHT_PART;
        pay_ahead(rate, buckets, clock.now_ns(), within_ns, bytes)
    } else {
        false
    };
    if !passes {
        if claim.flow != 0 {
            note_dropped(dropped, claim.flow, claim.sequence, jiffy);
        }
        return Ahead::Refused;
    }
    counter.packets = counter.packets.wrapping_add(1);
    if known == Known::Again {
        note_passed(dropped, claim.flow, claim.sequence);
    }
    if known == Known::AfterPause {
        note_pause_over(dropped, claim.flow, jiffy);
    }
    if marks && may_mark(known, claim.sequence) {
        counter.marked_packets = counter.marked_packets.wrapping_add(1);
        return Ahead::Marked;
    }
    Ahead::Passed
}

/// Takes what a packet of a flow that has lost something costs out of the class's bucket, as far as the flow
/// may, and takes note of it.
#[inline(always)]
fn pay_as_known<B: Bucket>(
    rate: &ClassRate,
    buckets: &Buckets<'_, B>,
    dropped: &mut DroppedLine,
    now: u64,
    (claim, known): (Claim, Known),
    bytes: u64,
) -> bool {
    let now_owed = low_bits(now >> OWED_BITS);
    let owed = owes(dropped, claim.flow, now_owed);
    let drawn = u64::from(claim.sequence.wrapping_mul(SPREAD) >> 16);
    let left = u64::from(MOST_OWED - owed);
    let ahead_ns = ahead_ns(rate);
    let mut within_ns = ahead_ns + ahead_ns * left / (2 * u64::from(MOST_OWED));
    if known == Known::Outside {
        let above_ns = within_ns.saturating_sub(rate.burst_ns);
        within_ns = earlier(within_ns, rate.burst_ns) + ((above_ns * drawn) >> 16);
    }
    if !pay_ahead(rate, buckets, now, within_ns, bytes) {
        return false;
    }
    let cost_ns = time_at(rate, bytes);
    // Rounded up as often as the fraction is large: a fast class's packets cost far less than the unit.
    let more = (OWED_TIMES * cost_ns + (drawn << (OWED_BITS - 16))) >> OWED_BITS;
    let owed = earlier(u64::from(owed) + more, u64::from(MOST_OWED));
    note_owed(dropped, claim.flow, now_owed.wrapping_add(low_bits(owed)));
    true
}

/// Whether a segment that passes is marked: of a known flow one in [`PASSES_PER_MARK`] and what comes after a pause.
#[inline(always)]
fn may_mark(known: Known, sequence: u32) -> bool {
    match known {
        Known::Not | Known::AfterPause => true,
        Known::Outside => (sequence.wrapping_mul(SPREAD) >> 8).is_multiple_of(PASSES_PER_MARK),
        Known::Again => false,
    }
}

#[inline(always)]
fn ahead_ns(rate: &ClassRate) -> u64 {
    u64::from(rate.ahead_us) * 1_000
}

/// The lowest bits of a time, of which only differences count.
#[inline(always)]
fn low_bits(time: u64) -> u16 {
    // Cut off, so it always fits.
    u16::try_from(time & u64::from(u16::MAX)).unwrap_or(0)
}

/// Takes what a packet costs out of the class's bucket, which may owe up to `within_ns` then.
#[inline(always)]
fn pay_ahead<B: Bucket>(
    rate: &ClassRate,
    buckets: &Buckets<'_, B>,
    now: u64,
    within_ns: u64,
    bytes: u64,
) -> bool {
    if now >= buckets.silent_from_ns {
        return false;
    }
    let needed_ns = time_at(rate, bytes) + 1;
    let depth_ns = depth_for(rate, needed_ns);
    // A packet that takes longer than that passes when the bucket owes nothing.
    let limit_ns = later(within_ns, needed_ns);
    if !take_ahead(buckets.own, now, depth_ns, needed_ns, limit_ns) {
        return false;
    }
    charge_others(rate, buckets, now, bytes);
    true
}
