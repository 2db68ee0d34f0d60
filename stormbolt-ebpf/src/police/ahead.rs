//! Lets some packets pass ahead of their class's rate, which the class pays back before a lease is
//! taken.
//!
//! A policer has no queue, so a TCP sender that is too fast loses whole windows. Where it learns of that by an
//! answer to what came behind, it sends them again at once; where nothing behind passes, or what it sends again
//! is lost too, it waits for its retransmission timer: 200 ms at least, in which a bucket of 20 ms overflows ten times.
//! It is no loss only if as much is owed by then. So of a flow that has lost something of late pass
//!
//! - segments that come again because they were dropped here, as far as [`ClassRate::ahead_us`] allows;
//! - one segment after a pause, as far: by it a sender asks what has become of the others (tail loss probe,
//!   RFC 8985 section 7), or goes on after its timer;
//! - segments without payload, as far;
//! - all other segments as far as the burst once more, and beyond that the fewer, the more is owed. A
//!   sender in recovery does not ask, so if all that is new were dropped, the timer would run while little is owed.
//!   Which ones pass follows from the sequence number: each segment has a mark of its own between the burst
//!   and the whole allowance.
//!
//! A flow that has had little of this lately passes half as far again, and of its other segments a third as many are dropped: else the flow
//! that comes first after a silence would take all, time and again, while another one's timer backs off.
//!
//! A thirty-second part as far, packets of other flows pass whose loss would hold up a connection and that weigh
//! nothing (TCP without payload: SYN, ACK, FIN), and packets whose sender understands a mark in the place of a
//! drop (RFC 3168 section 5). All other packets have half of the rate beside that (`beside.rs`).
//!
//! The long-run rate is exact. `docs/decisions/0015-tcp-through-a-policer.md` has what was measured.

use stormbolt_common::counters::{AheadCounter, Refusals};
use stormbolt_common::dropped::{DroppedRange, MOST_OWED};
use stormbolt_common::police::{BLOCKED, ClassRate, MARK_CONGESTION};

use super::Clock;
use super::beside::{may_look_beside, take_beside};
use super::bucket::{Bucket, earlier, later, take_ahead};
use super::dropped::{Found, Known, SharedLine, find, owes};
use super::renew::{Buckets, Refusal, charge_others, depth_for, overdraft_ns, time_at};

/// The part of [`ClassRate::ahead_us`] that packets may use of which nothing is known but what they say. With
/// an eighth, CUBIC at 1 Gbit/s kept being marked until its window was too small for the rate.
const LIGHT_PART: u64 = 32;

/// What a flow has had is counted in units of 2^20 ns.
const OWED_BITS: u32 = 20;

/// What a flow has had is counted twice, so that what one flow in two takes when they share the rate
/// evenly is forgotten just as fast as it is taken.
const OWED_TIMES: u64 = 2;

/// Full favour.
const MOST_FAVOUR: u64 = 1023;

/// So many times as far again as those of a flow without favour do the marks of its segments spread.
const FAVOUR_TIMES: u64 = 2;

const _: () = assert!(MOST_OWED == 1023);

/// Segments of a known flow that pass, for each that is marked. With a mark every round trip CUBIC's window stays
/// below what its rate needs.
const PASSES_PER_MARK: u32 = 64;

/// Bits of what is drawn by a sequence number.
const DRAWN_BITS: u32 = 16;

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

impl Claim {
    /// Nothing: it is not TCP, and knows no marks.
    pub const NOTHING: Self = Self {
        flow: 0,
        sequence: 0,
        is_bare: false,
        is_capable: false,
    };
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

/// What is known of packets that a class's rate does not cover.
pub struct Noted<'a, L> {
    /// How many of them this CPU has let pass.
    pub counter: &'a mut AheadCounter,
    /// What it has refused of the class.
    pub refusals: &'a mut Refusals,
    /// Which segments of flows like the packet's were dropped.
    pub dropped: &'a L,
}

/// Decides on a packet of `bytes` bytes that the class's rate does not cover, and spends what it costs if it
/// passes.
#[inline(always)]
pub fn pass_ahead<C: Clock, B: Bucket, L: SharedLine>(
    rate: &ClassRate,
    noted: &mut Noted<'_, L>,
    buckets: &Buckets<'_, B>,
    clock: &C,
    (claim, refusal): (Claim, Refusal),
    bytes: u64,
) -> Ahead {
    if rate.ahead_us == 0 || rate.cost_per_byte == BLOCKED {
        return Ahead::Refused;
    }
    let jiffy = clock.jiffy_low();
    let now_jiffy = low_bits(jiffy.into());
    let mut found = if claim.flow == 0 {
        Found::NOTHING
    } else {
        find(noted.dropped, claim.flow, now_jiffy)
    };
    let known = found.recall(claim.sequence, now_jiffy);
    let is_seen = matches!(refusal, Refusal::Seen(_));
    let is_light = is_seen && (claim.is_bare || may_be_marked(rate, &claim));
    if known == Known::Not && !is_light && !may_look_beside(noted.refusals, jiffy) {
        return refuse(noted.dropped, found, &claim, now_jiffy);
    }
    let now = match refusal {
        Refusal::Seen(now) => now,
        Refusal::Unseen => clock.now_ns(),
    };
    if now >= buckets.silent_from_ns {
        return refuse(noted.dropped, found, &claim, now_jiffy);
    }
    let mut marks = is_marked(known, claim.sequence);
    let within_ns = if known != Known::Not {
        may_owe(rate, &found.range, now, (&claim, known))
    } else if is_light && owes_little(rate, buckets, now, bytes) {
        light_ns(rate)
    } else if take_beside(rate, noted.refusals, buckets, now, bytes) {
        // Adds to what is owed at half of the rate, at which it is paid back: however much that is.
        marks = false;
        u64::MAX
    } else {
        0
    };
    if within_ns == 0 || !pay_ahead(rate, buckets, now, within_ns, bytes) {
        return refuse(noted.dropped, found, &claim, now_jiffy);
    }
    noted.counter.packets = noted.counter.packets.wrapping_add(1);
    if known != Known::Not {
        note_had(&mut found.range, rate, now, claim.sequence, bytes);
        found.note_passed(known, claim.sequence, now_jiffy);
        found.keep(noted.dropped);
    }
    if marks && may_be_marked(rate, &claim) {
        noted.counter.marked_packets = noted.counter.marked_packets.wrapping_add(1);
        return Ahead::Marked;
    }
    Ahead::Passed
}

/// Refuses a packet, and takes note of that if it is a segment.
#[inline(always)]
fn refuse<L: SharedLine>(dropped: &L, mut found: Found, claim: &Claim, jiffy: u16) -> Ahead {
    if claim.flow != 0 {
        found.note_dropped(claim.flow, claim.sequence, jiffy);
        found.keep(dropped);
    }
    Ahead::Refused
}

/// How much the class may owe when a packet of a flow that has lost something has passed, in ns.
#[inline(always)]
fn may_owe(
    rate: &ClassRate,
    range: &DroppedRange,
    now: u64,
    (claim, known): (&Claim, Known),
) -> u64 {
    let favour = favour(owes(range, low_bits(now >> OWED_BITS)));
    let ahead_ns = ahead_ns(rate);
    let within_ns = ahead_ns + ahead_ns * favour / (2 * MOST_FAVOUR);
    if known != Known::Outside || claim.is_bare {
        return within_ns;
    }
    let above_ns = within_ns.saturating_sub(rate.burst_ns);
    let spread_ns = above_ns + FAVOUR_TIMES * above_ns * favour / MOST_FAVOUR;
    let mark_ns = rate.burst_ns + ((spread_ns * drawn(claim.sequence)) >> DRAWN_BITS);
    earlier(within_ns, mark_ns)
}

/// How much a flow is favoured over one that has had more, of [`MOST_FAVOUR`]: not at all if it has had five eighths of what
/// is counted, and in full below three eighths. What two flows that share the rate have had varies about the middle.
#[inline(always)]
fn favour(owed: u16) -> u64 {
    let left = MOST_FAVOUR - u64::from(owed);
    earlier((4 * left).saturating_sub(3 * MOST_FAVOUR / 2), MOST_FAVOUR)
}

/// Takes note of what a flow has had with this packet.
#[inline(always)]
fn note_had(range: &mut DroppedRange, rate: &ClassRate, now: u64, sequence: u32, bytes: u64) {
    let now_owed = low_bits(now >> OWED_BITS);
    let owed = u64::from(owes(range, now_owed));
    let cost_ns = time_at(rate, bytes);
    // Rounded up as often as the fraction is large: a fast class's packets cost far less than the unit.
    let rounding = drawn(sequence) << (OWED_BITS - DRAWN_BITS);
    let more = (OWED_TIMES * cost_ns + rounding) >> OWED_BITS;
    let owed = earlier(owed + more, u64::from(MOST_OWED));
    range.owes_until = now_owed.wrapping_add(low_bits(owed));
}

/// Whether a class owes so little that a packet may pass for what it says of itself.
#[inline(always)]
fn owes_little<B: Bucket>(
    rate: &ClassRate,
    buckets: &Buckets<'_, B>,
    now: u64,
    bytes: u64,
) -> bool {
    let needed_ns = time_at(rate, bytes) + 1;
    let until_ns = later(buckets.own.spent_until_ns(), now).saturating_add(needed_ns);
    until_ns <= now + later(light_ns(rate), needed_ns)
}

/// A number of [`DRAWN_BITS`] bits that follows from a sequence number, and looks drawn at random.
#[inline(always)]
fn drawn(sequence: u32) -> u64 {
    u64::from(sequence.wrapping_mul(SPREAD) >> (32 - DRAWN_BITS))
}

/// Whether the sender of a packet understands marks, and its class may give them.
#[inline(always)]
const fn may_be_marked(rate: &ClassRate, claim: &Claim) -> bool {
    claim.is_capable && rate.treatment & MARK_CONGESTION != 0
}

/// Whether a packet that passes is marked, if it may be: of a known flow what comes after a pause, and of the others one
/// in [`PASSES_PER_MARK`].
#[inline(always)]
const fn is_marked(known: Known, sequence: u32) -> bool {
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

/// How much the class may owe when a packet has passed of whose flow nothing is known, in ns.
#[inline(always)]
fn light_ns(rate: &ClassRate) -> u64 {
    ahead_ns(rate) / LIGHT_PART + overdraft_ns(rate)
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
