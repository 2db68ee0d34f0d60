//! The conditions in a leaf: what is left to compare once the cuts are done.

use stormbolt_common::classifier::{Block, Edge, MAX_LEAF, conditions, lane};
use stormbolt_common::policy::RuleEntry;

use super::word::{high, low};
use crate::tables::Rules;
use conditions::{IPV4_WORDS, IPV6_WORDS, extension, flag};

/// The best rule so far.
#[derive(Clone, Copy)]
pub(super) struct Best {
    /// Its priority; above all others while nothing is found.
    pub(super) priority: u32,
    verdict: u32,
    counter: u32,
}

impl Best {
    pub(super) const NOTHING: Self = Self {
        priority: u32::MAX,
        verdict: 0,
        counter: 0,
    };

    #[inline(always)]
    pub(super) const fn rule(self) -> Option<RuleEntry> {
        if self.priority == u32::MAX {
            return None;
        }
        Some(RuleEntry {
            verdict: self.verdict,
            counter: self.counter,
        })
    }
}

/// The first rule of the leaf that matches, where it precedes `best`; else `best`.
#[inline(always)]
pub(super) fn first<R: Rules>(rules: &R, leaf: Edge, is_ipv4: bool, best: Best) -> Option<Best> {
    if is_ipv4 {
        first_of::<R, Ipv4>(rules, leaf, best)
    } else {
        first_of::<R, Ipv6>(rules, leaf, best)
    }
}

#[inline(always)]
fn first_of<R: Rules, F: Layout>(rules: &R, leaf: Edge, best: Best) -> Option<Best> {
    let mut place = leaf.base();
    let mut left = leaf.count();
    for _ in 0..MAX_LEAF {
        if left == 0 {
            break;
        }
        let condition = Words::at(rules, place)?;
        let settings = condition.get(F::REST + 1);
        if high(settings) >= best.priority {
            break;
        }
        let mut wrong =
            F::addresses(rules, &condition) | transport(rules, condition.get(F::REST), settings);
        place = place.wrapping_add(F::WORDS);
        left -= 1;
        if settings >> 24 & flag::EXTENDED != 0 {
            wrong |= extended(rules, &Words::at(rules, place)?);
            place = place.wrapping_add(F::WORDS);
            left = left.wrapping_sub(1);
        }
        if wrong == 0 {
            let entry = condition.get(F::REST + 2);
            return Some(Best {
                priority: high(settings),
                verdict: low(entry),
                counter: high(entry),
            });
        }
    }
    Some(best)
}

/// How the conditions of an address family are laid out.
///
/// Comparisons give zero where they hold, without a branch: the verifier follows both sides of every
/// branch, in every one of the conditions that a leaf may have, and a processor guesses half of
/// them wrong.
trait Layout {
    /// Words of a condition.
    const WORDS: u32;
    /// The word behind the addresses.
    const REST: u32;
    /// Zero where both addresses match.
    fn addresses<R: Rules>(rules: &R, condition: &Words<'_>) -> u64;
}

enum Ipv4 {}

impl Layout for Ipv4 {
    const WORDS: u32 = IPV4_WORDS;
    const REST: u32 = 1;

    #[inline(always)]
    fn addresses<R: Rules>(rules: &R, condition: &Words<'_>) -> u64 {
        let wanted = condition.get(0);
        let settings = condition.get(2);
        let source = at(rules, lane::SOURCE + 3) ^ (wanted & 0xffff_ffff);
        let destination = at(rules, lane::DESTINATION + 3) ^ (wanted >> 32);
        // At most 32 bits do not count, and the values have 64, so no shift is too long.
        source >> (settings & 63) | destination >> (settings >> 8 & 63)
    }
}

enum Ipv6 {}

impl Layout for Ipv6 {
    const WORDS: u32 = IPV6_WORDS;
    const REST: u32 = 4;

    #[inline(always)]
    fn addresses<R: Rules>(rules: &R, condition: &Words<'_>) -> u64 {
        let ignored = condition.get(7);
        let half = |first: u32, word: u32, shift: u32| {
            let value = at(rules, first) << 32 | at(rules, first + 1);
            let ignored = ignored >> shift & 127;
            // In two steps, since one cannot shift by 64.
            ((value ^ condition.get(word)) >> (ignored >> 1 & 63)) >> ((ignored + 1) >> 1 & 63)
        };
        half(lane::SOURCE, 0, 0)
            | half(lane::SOURCE + 2, 1, 8)
            | half(lane::DESTINATION, 2, 16)
            | half(lane::DESTINATION + 2, 3, 24)
    }
}

/// The words of a condition, within their block.
struct Words<'a> {
    block: &'a Block,
    first: u32,
}

impl<'a> Words<'a> {
    #[inline(always)]
    fn at<R: Rules>(rules: &'a R, place: u32) -> Option<Self> {
        Some(Self {
            block: rules.block(place >> 3)?,
            first: place & 4,
        })
    }

    /// Word `word` of the condition.
    #[inline(always)]
    fn get(&self, word: u32) -> u64 {
        // An IPv6 condition begins at a block, so no word of any is beyond.
        let place = usize::try_from(self.first.wrapping_add(word) & 7).unwrap_or(0);
        self.block.words.get(place).copied().unwrap_or(0)
    }
}

/// A lane's value, 64 bits wide.
#[inline(always)]
fn at<R: Rules>(rules: &R, lane: u32) -> u64 {
    u64::from(rules.lane(lane))
}

/// One where `value` is not among the `span + 1` numbers from `first` on, else zero.
#[inline(always)]
const fn outside(value: u64, first: u64, span: u64) -> u64 {
    let above = value.wrapping_sub(first);
    (above | span.wrapping_sub(above)) >> 63
}

/// One where `value` does not lie between `first` and `last`, else zero.
#[inline(always)]
const fn not_between(value: u64, first: u64, last: u64) -> u64 {
    outside(value, first, last.wrapping_sub(first))
}

/// One where `value` is not zero, else zero.
#[inline(always)]
const fn any(value: u64) -> u64 {
    (value | value.wrapping_neg()) >> 63
}

/// Ports and protocol: zero where they match.
#[inline(always)]
fn transport<R: Rules>(rules: &R, ports: u64, settings: u64) -> u64 {
    let flags = settings >> 24;
    let port = |number: u32, first: u64, span: u64| {
        // Without ports there is no port, whatever the lane says.
        outside(at(rules, number), first & 0xffff, span & 0xffff) | at(rules, lane::NO_PORTS)
    };
    let source = port(lane::SOURCE_PORT, ports, ports >> 16);
    let destination = port(lane::DESTINATION_PORT, ports >> 32, ports >> 48);
    let protocol = any(at(rules, lane::PROTOCOL) ^ (settings >> 16 & 255));
    let wrong = (source * flag::ANY_SOURCE_PORT)
        | (destination * flag::ANY_DESTINATION_PORT)
        | (protocol * flag::ANY_PROTOCOL);
    wrong & !flags
}

/// The fields that few rules look at: zero where they match.
#[inline(always)]
fn extended<R: Rules>(rules: &R, words: &Words<'_>) -> u64 {
    let wide = |number: u32, word: u64, shift: u32| {
        let (first, last) = (word >> shift & 0xffff, word >> (shift + 16) & 0xffff);
        not_between(at(rules, number), first, last)
    };
    let narrow = |number: u32, word: u64, shift: u32| {
        let (first, last) = (word >> shift & 255, word >> (shift + 8) & 255);
        not_between(at(rules, number), first, last)
    };
    let (sets, sizes, small, bits) = (words.get(0), words.get(1), words.get(2), words.get(3));
    let counts = |bit: u64| any(bits & bit);
    let flags = at(rules, lane::TCP_FLAGS);
    let not_as_given = any(flags & (small >> 32 & 255) ^ (small >> 40 & 255));
    let not_tcp = flags >> 8;
    let fragment = bits >> (at(rules, lane::FRAGMENT) & 3) & 1 ^ 1;
    wide(lane::SOURCE_SETS, sets, 0)
        | wide(lane::DESTINATION_SETS, sets, 32)
        | counts(extension::VLAN) & wide(lane::VLAN, sizes, 0)
        | wide(lane::LENGTH, sizes, 32)
        | narrow(lane::DSCP, small, 0)
        | narrow(lane::INTERFACE, small, 16)
        | narrow(lane::PROTOCOL, bits, 8)
        | counts(extension::ICMP_TYPE) & narrow(lane::ICMP_TYPE, small, 48)
        | fragment
        | counts(extension::TCP_FLAGS) & (not_tcp | not_as_given)
        | counts(extension::NOT_TCP_FLAGS) & (not_tcp | not_as_given ^ 1)
}
