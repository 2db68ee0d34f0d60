//! Lets some packets pass ahead of their class's rate, which the class pays back before anything else
//! passes.
//!
//! A policer has no queue, so a TCP sender that is too fast loses whole windows, and where the segments that
//! it sends again are lost too it waits for its retransmission timer: 200 ms at least, in which a bucket
//! of 20 ms overflows ten times. Segments that come again because they were dropped here pass
//! therefore, as far as [`ClassRate::ahead_us`] allows. The long-run rate is exact.
//!
//! Of a flow that has lost nothing in this jiffy new segments pass as well, as far as the burst once more: the
//! one by which a sender asks what has become of the others (tail loss probe, RFC 8985 section 7), and
//! those that alone would have been lost. What is lost then is lost together, the last segments
//! included; a sender that is recovering from one loss and then loses the last of what it sends does
//! not ask, but waits for its timer.
//!
//! A thirty-second part as far, packets pass whose loss would hold up a connection and that weigh nothing (TCP
//! without payload: SYN, ACK, FIN), and packets whose sender understands a mark in the place of a
//! drop (RFC 3168 section 5).
//!
//! `docs/decisions/0015-tcp-through-a-policer.md` has what was measured.

use stormbolt_common::counters::Lease;
use stormbolt_common::dropped::DroppedLine;
use stormbolt_common::police::{BLOCKED, COST_FRACTION_BITS, ClassRate, MARK_CONGESTION};

use super::bucket::{Bucket, earlier, later, take_ahead};
use super::dropped::{Known, note_dropped, note_passed, recall};
use super::renew::{Buckets, Refusal, charge_others, depth_for};
use super::{Clock, cost_of};

/// The part of [`ClassRate::ahead_us`] that packets may use of which nothing is known but what they say. With
/// an eighth, CUBIC at 1 Gbit/s kept being marked until its window was too small for the rate.
const LIGHT_PART: u64 = 32;

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
    lease: &mut Lease,
    buckets: &Buckets<'_, B>,
    dropped: &mut DroppedLine,
    clock: &C,
    (claim, refusal): (Claim, Refusal),
    bytes: u64,
) -> Ahead {
    if rate.ahead_us == 0 {
        return Ahead::Refused;
    }
    let jiffy = clock.jiffy_low();
    let known = if claim.flow == 0 {
        Known::Not
    } else {
        recall(dropped, claim.flow, claim.sequence, jiffy)
    };
    let marks = claim.is_capable && rate.treatment & MARK_CONGESTION != 0;
    let is_light = refusal == Refusal::Seen && (claim.is_bare || marks);
    let ahead_ns = u64::from(rate.ahead_us) * 1_000;
    let within_ns = match known {
        Known::Again => ahead_ns,
        Known::AfterPause => earlier(ahead_ns, rate.burst_ns),
        Known::Not | Known::Outside if is_light => ahead_ns / LIGHT_PART,
        Known::Not | Known::Outside => 0,
    };
    if within_ns > 0 && pay_ahead(rate, buckets, clock, within_ns, bytes) {
        lease.ahead_packets = lease.ahead_packets.wrapping_add(1);
        if known == Known::Again {
            note_passed(dropped, claim.flow, claim.sequence);
            return Ahead::Passed;
        }
        if marks {
            lease.marked_packets = lease.marked_packets.wrapping_add(1);
            return Ahead::Marked;
        }
        return Ahead::Passed;
    }
    if claim.flow != 0 {
        note_dropped(dropped, claim.flow, claim.sequence, jiffy);
    }
    Ahead::Refused
}

/// Takes what a packet costs out of the class's bucket, which may owe up to `within_ns` then.
#[inline(always)]
fn pay_ahead<C: Clock, B: Bucket>(
    rate: &ClassRate,
    buckets: &Buckets<'_, B>,
    clock: &C,
    within_ns: u64,
    bytes: u64,
) -> bool {
    if rate.cost_per_byte == BLOCKED {
        return false;
    }
    let now = clock.now_ns();
    if now >= buckets.silent_from_ns {
        return false;
    }
    let needed_ns = (cost_of(rate, bytes) >> COST_FRACTION_BITS) + 1;
    let depth_ns = depth_for(rate, needed_ns);
    // A packet that takes longer than that passes when the bucket owes nothing.
    let limit_ns = later(within_ns, needed_ns);
    if !take_ahead(buckets.own, now, depth_ns, needed_ns, limit_ns) {
        return false;
    }
    charge_others(rate, buckets, now, bytes);
    true
}
