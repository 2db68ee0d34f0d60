//! Holds each source of a class to a rate of its own, in bounded memory and at a bounded cost.
//!
//! A source has a bucket of one word among the eight of the line that its hash leads to; a bucket that is full again
//! says no more than one that is not there. So a source that finds no bucket of its own takes the place of the one
//! that is nearest to full: of sources that send little, little is forgotten, and one that sends too much keeps its
//! place against any number of others that send less. `docs/decisions/0014-per-source-limits.md` has what a flood
//! of random sources can do.
//!
//! Time is counted in jiffies: the clock would cost more than all the rest, and a bucket that holds a fifth of a second
//! needs no better one.

use stormbolt_common::classifier::lane;
use stormbolt_common::police::COST_FRACTION_BITS;
use stormbolt_common::source::{SOURCES_PER_LINE, SourceLimit, TIME_BITS, TIME_UNIT_BITS};

use super::low_half;
use crate::classify::is_ipv4;
use crate::tables::Rules;

/// A bucket's word, shared by all CPUs.
pub trait SourceWord {
    /// What stands in it.
    fn read(&self) -> u64;
    /// Writes `new` over `current`; `false` when another CPU has written first.
    fn replace(&self, current: u64, new: u64) -> bool;
}

/// How often it is tried while other CPUs get in first.
const ATTEMPTS: u32 = 4;

/// All bits of a time.
const TIMES: u64 = (1 << TIME_BITS) - 1;

/// How far ahead a bucket's time may lie because another CPU has seen a later jiffy: about a second. What lies further
/// ahead is from before the times repeated.
const SKEW: u64 = 1 << 22;

/// Where a packet comes from, as far as its class tells sources apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The halves of the address in network order, the bits beyond the prefix zero.
    pub halves: [u64; 2],
    /// A hash of it and of the class and interface.
    pub hash: u64,
}

impl Source {
    /// The source of the packet in the lanes, for a class in `cell`.
    #[inline(always)]
    pub fn in_lanes<R: Rules>(rules: &R, limit: &SourceLimit, cell: u32, seed: u64) -> Self {
        let at = |word: u32| u64::from(rules.lane(lane::SOURCE + word));
        let [high, low] = if is_ipv4(rules) {
            [u64::MAX, u64::MAX << 32 | u64::from(limit.ipv4_mask)]
        } else {
            limit.ipv6_mask
        };
        let halves = [(at(0) << 32 | at(1)) & high, (at(2) << 32 | at(3)) & low];
        Self {
            halves,
            hash: hash(halves, cell, seed),
        }
    }

    /// The number of its line.
    #[inline(always)]
    pub fn line(&self) -> u32 {
        low_half(self.hash)
    }

    /// The part of its hash that stands in its bucket, in place. Never zero.
    #[inline(always)]
    const fn tag(&self) -> u64 {
        let tag = self.hash & !TIMES;
        if tag == 0 { 1 << TIME_BITS } else { tag }
    }
}

/// Multiply and fold, several times for each half, so that no pattern of bits goes through unmixed; what the halves are
/// multiplied by depends on the seed. The constants are those of `wyhash` and of `splitmix64`.
#[inline(always)]
fn hash([high, low]: [u64; 2], cell: u32, seed: u64) -> u64 {
    let secret = seed.wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1;
    let mut hash = seed ^ u64::from(cell);
    for word in [high, low] {
        hash = (hash ^ word).wrapping_mul(0xa076_1d64_78bd_642f);
        hash ^= hash >> 32;
        hash = hash.wrapping_mul(secret);
        hash ^= hash >> 29;
    }
    hash = hash.wrapping_mul(0xe703_7ed1_a0b4_28db);
    hash ^ hash >> 32
}

/// What becomes of a packet of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceVerdict {
    /// It is within the limit.
    Within,
    /// The same; its source has taken the place of one whose bucket was not full again.
    Displacing,
    /// Its source is over the limit.
    Over,
}

/// The time of a bucket, from jiffies of `tick_ns`.
#[inline(always)]
pub const fn source_time(jiffies: u64, tick_ns: u64) -> u64 {
    (jiffies.wrapping_mul(tick_ns) >> TIME_UNIT_BITS) & TIMES
}

/// Decides on a packet of `bytes` bytes of `source` at `now` ([`source_time`]), and takes what it costs out of the
/// source's bucket if it passes.
///
/// `odd` is any number that goes on as packets pass: a cost is rounded to whole units by it, up as often as is
/// right.
#[inline(always)]
pub fn police_source<W: SourceWord>(
    line: &[W; SOURCES_PER_LINE],
    limit: &SourceLimit,
    source: &Source,
    now: u64,
    bytes: u64,
    odd: u64,
) -> SourceVerdict {
    let (needed, spent) = units_of(bytes.wrapping_mul(limit.cost_per_byte), odd);
    let burst = limit.burst_ns >> TIME_UNIT_BITS;
    // A bucket of any depth is deep enough for this packet, or it could never pass.
    let depth = if burst > needed { burst } else { needed };
    for _ in 0..ATTEMPTS {
        let found = find(line, source.tag(), now);
        let credit = if found.is_own && found.credit < depth {
            found.credit
        } else {
            depth
        };
        if credit < needed {
            return SourceVerdict::Over;
        }
        let until = now.wrapping_sub(credit - spent) & TIMES;
        let Some(word) = line.get(found.place % SOURCES_PER_LINE) else {
            break;
        };
        if word.replace(found.word, source.tag() | until) {
            return if found.is_own || found.credit >= burst {
                SourceVerdict::Within
            } else {
                SourceVerdict::Displacing
            };
        }
    }
    // Other CPUs have this source's packets at the same time, all the time.
    SourceVerdict::Over
}

/// A source's bucket, or the one that it may take.
struct Found {
    place: usize,
    word: u64,
    /// What stands in it, in units.
    credit: u64,
    is_own: bool,
}

#[inline(always)]
fn find<W: SourceWord>(line: &[W; SOURCES_PER_LINE], tag: u64, now: u64) -> Found {
    let mut found = Found {
        place: 0,
        word: 0,
        credit: 0,
        is_own: false,
    };
    for (place, word) in line.iter().enumerate() {
        let word = word.read();
        let ahead = word.wrapping_sub(now) & TIMES;
        let credit = if word == 0 {
            TIMES
        } else if ahead < SKEW {
            // A CPU that has seen the next jiffy has spent from it, or nothing is left.
            0
        } else {
            now.wrapping_sub(word) & TIMES
        };
        let is_own = word & !TIMES == tag;
        if is_own || (!found.is_own && (place == 0 || credit > found.credit)) {
            found = Found {
                place,
                word,
                credit,
                is_own,
            };
        }
    }
    found
}

/// A cost in whole units of time, from one in 2^-20 ns: rounded up, which a bucket must hold; and up or down, which is
/// taken out of it.
#[inline(always)]
const fn units_of(cost: u64, odd: u64) -> (u64, u64) {
    let fraction_bits = COST_FRACTION_BITS + TIME_UNIT_BITS;
    let fractions = (1 << fraction_bits) - 1;
    // What is left over decides how often one more is taken.
    let threshold = odd.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - fraction_bits);
    let (whole, fraction) = (cost >> fraction_bits, cost & fractions);
    let up = if fraction > 0 { 1 } else { 0 };
    let spent = if fraction > threshold { 1 } else { 0 };
    (whole + up, whole + spent)
}
