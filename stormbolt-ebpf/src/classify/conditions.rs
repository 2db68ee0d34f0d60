//! The conditions in a leaf: what is left to compare once the cuts are done.

use stormbolt_common::classifier::{Edge, MAX_LEAF, conditions, lane};
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

/// What conditions compare of the packet in the lanes, read once for all of them.
#[derive(Clone, Copy)]
pub(super) struct Packet {
    is_ipv4: bool,
    /// IPv4: the source in the lower half of the first word, the destination in the upper one. IPv6:
    /// the halves of the source, then those of the destination.
    addresses: [u64; 4],
    /// Source port in the lower half, destination port in the upper one.
    ports: u64,
    /// One without ports, else zero.
    no_ports: u64,
    protocol: u64,
}

impl Packet {
    #[inline(always)]
    pub(super) fn in_lanes<R: Rules>(rules: &R, is_ipv4: bool) -> Self {
        let half = |lane: u32| at(rules, lane) << 32 | at(rules, lane + 1);
        let (source, destination) = (lane::SOURCE, lane::DESTINATION);
        let addresses = if is_ipv4 {
            let both = at(rules, source + 3) | at(rules, destination + 3) << 32;
            [both, 0, 0, 0]
        } else {
            [
                half(source),
                half(source + 2),
                half(destination),
                half(destination + 2),
            ]
        };
        Self {
            is_ipv4,
            addresses,
            ports: at(rules, lane::SOURCE_PORT) | at(rules, lane::DESTINATION_PORT) << 32,
            no_ports: at(rules, lane::NO_PORTS),
            protocol: at(rules, lane::PROTOCOL),
        }
    }
}

/// The first rule of the leaf that matches, where it precedes `best`; else `best`.
#[inline(always)]
pub(super) fn first<R: Rules>(rules: &R, leaf: Edge, packet: &Packet, best: Best) -> Option<Best> {
    if packet.is_ipv4 {
        first_of::<R, Ipv4>(rules, leaf, packet, best)
    } else {
        first_of::<R, Ipv6>(rules, leaf, packet, best)
    }
}

#[inline(always)]
fn first_of<R: Rules, F: Layout>(
    rules: &R,
    leaf: Edge,
    packet: &Packet,
    best: Best,
) -> Option<Best> {
    let mut place = leaf.base();
    let mut left = leaf.count();
    for _ in 0..MAX_LEAF {
        if left == 0 {
            break;
        }
        let condition = F::condition(packet, rules, place)?;
        let settings = condition.settings;
        if high(settings) >= best.priority {
            break;
        }
        let mut wrong = condition.addresses | transport(packet, condition.ports, settings);
        place = place.wrapping_add(F::WORDS);
        left -= 1;
        if settings & flag::EXTENDED != 0 {
            wrong |= extended(rules, rules.half(place)?);
            place = place.wrapping_add(F::WORDS);
            left = left.wrapping_sub(1);
        }
        if wrong == 0 {
            return Some(Best {
                priority: high(settings),
                verdict: low(condition.entry),
                counter: high(condition.entry),
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
    /// What the condition at `place` says; `None` beyond the end of the tables.
    fn condition<R: Rules>(packet: &Packet, rules: &R, place: u32) -> Option<Condition>;
}

/// A condition, held against a packet as far as the addresses go.
struct Condition {
    /// Zero where both addresses match.
    addresses: u64,
    ports: u64,
    settings: u64,
    entry: u64,
}

enum Ipv4 {}

impl Layout for Ipv4 {
    const WORDS: u32 = IPV4_WORDS;

    #[inline(always)]
    fn condition<R: Rules>(packet: &Packet, rules: &R, place: u32) -> Option<Condition> {
        let &[addresses, ports, settings, entry] = rules.half(place)?;
        let [ours, ..] = packet.addresses;
        let differs = ours ^ addresses;
        // At most 32 bits do not count, and the values have 64, so no shift is too long.
        let source = (differs & 0xffff_ffff) >> (settings & 63);
        let destination = (differs >> 32) >> (settings >> 8 & 63);
        Some(Condition {
            addresses: source | destination,
            ports,
            settings,
            entry,
        })
    }
}

enum Ipv6 {}

impl Layout for Ipv6 {
    const WORDS: u32 = IPV6_WORDS;

    #[inline(always)]
    fn condition<R: Rules>(packet: &Packet, rules: &R, place: u32) -> Option<Condition> {
        let [a, b, c, d, ports, settings, entry, ignored] = rules.block(place)?.words;
        let half = |ours: u64, wanted: u64, shift: u32| {
            let ignored = ignored >> shift & 127;
            // In two steps, since one cannot shift by 64.
            ((ours ^ wanted) >> (ignored >> 1 & 63)) >> ((ignored + 1) >> 1 & 63)
        };
        let [of_a, of_b, of_c, of_d] = packet.addresses;
        let source = half(of_a, a, 0) | half(of_b, b, 8);
        let destination = half(of_c, c, 16) | half(of_d, d, 24);
        Some(Condition {
            addresses: source | destination,
            ports,
            settings,
            entry,
        })
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
fn transport(packet: &Packet, ports: u64, settings: u64) -> u64 {
    /// The lower 16 bits of each half.
    const NUMBERS: u64 = 0x0000_ffff_0000_ffff;
    /// The highest bit of each half: set before a subtraction, it is gone where one had to borrow.
    const SPARE: u64 = 0x8000_0000_8000_0000;
    let (first, last) = (ports & NUMBERS, ports >> 16 & NUMBERS);
    let inside =
        (packet.ports | SPARE).wrapping_sub(first) & (last | SPARE).wrapping_sub(packet.ports);
    let protocol = (packet.protocol ^ settings >> 16) & settings >> 24 & 255;
    let no_ports = settings >> flag::PORTS_BIT & packet.no_ports;
    !inside & SPARE | protocol | no_ports
}

/// The fields that few rules look at: zero where they match.
#[inline(always)]
fn extended<R: Rules>(rules: &R, words: &[u64; 4]) -> u64 {
    let wide = |number: u32, word: u64, shift: u32| {
        let (first, last) = (word >> shift & 0xffff, word >> (shift + 16) & 0xffff);
        not_between(at(rules, number), first, last)
    };
    let narrow = |number: u32, word: u64, shift: u32| {
        let (first, last) = (word >> shift & 255, word >> (shift + 8) & 255);
        not_between(at(rules, number), first, last)
    };
    let &[sets, sizes, small, bits] = words;
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
