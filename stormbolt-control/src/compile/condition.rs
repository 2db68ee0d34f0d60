//! Encodes what a leaf compares: [`stormbolt_common::classifier::conditions`].

use stormbolt_common::classifier::conditions::{extension, flag};
use stormbolt_common::classifier::{MAX_LENGTH, NO_PORT, lane};
use stormbolt_common::limits::MAX_INTERFACES;
use stormbolt_common::policy::RuleEntry;

use super::fields::{ByField, Fields, field};
use super::intervals::Interval;
use super::prefix::{Family, Prefix};

/// The rule whose conditions are encoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) priority: u32,
    pub(super) entry: RuleEntry,
}

/// Appends the conditions for one item within a region, and returns how many places they take.
///
/// A field that the item accepts in the whole region needs no comparison. A field that it accepts
/// in several pieces of the region needs a condition per piece.
pub(super) fn encode(
    family: Family,
    [source, destination]: [Prefix; 2],
    fields: &Fields,
    region: &ByField<Interval>,
    target: Target,
    words: &mut Vec<u64>,
) -> u32 {
    let mut places = 0;
    let mut pieces = [Piece::Any; 12];
    each_combination(fields, region, 0, &mut pieces, &mut |pieces| {
        let extended = Extension::of(fields, region, pieces);
        let header = Header {
            family,
            source,
            destination,
            target,
            extended: extended.is_some(),
        };
        header.encode(pieces, words);
        places += 1;
        if let Some(extension) = extended {
            words.extend(extension.0);
            if family == Family::Ipv6 {
                words.extend([0; 4]);
            }
            places += 1;
        }
    });
    places
}

/// Places that [`encode`] takes.
pub(super) fn places(fields: &Fields, region: &ByField<Interval>) -> u64 {
    let mut combinations = 1_u64;
    for (index, (accepted, &within)) in fields.accepted.iter().zip(region).enumerate() {
        if index != field(lane::TCP_FLAGS) && !accepted.covers(within) {
            let pieces = u64::try_from(accepted.within(within).len()).unwrap_or(u64::MAX);
            combinations = combinations.saturating_mul(pieces);
        }
    }
    combinations.saturating_mul(if needs_extension(fields, region) {
        2
    } else {
        1
    })
}

/// What is left to compare of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Nothing.
    Any,
    Between(Interval),
}

fn each_combination(
    fields: &Fields,
    region: &ByField<Interval>,
    index: usize,
    pieces: &mut ByField<Piece>,
    then: &mut impl FnMut(&ByField<Piece>),
) {
    let (Some(accepted), Some(&within)) = (fields.accepted.get(index), region.get(index)) else {
        then(pieces);
        return;
    };
    let mut with = |piece: Piece| {
        if let Some(slot) = pieces.get_mut(index) {
            *slot = piece;
        }
        each_combination(fields, region, index + 1, pieces, then);
    };
    // TCP flags are compared as the rule has them.
    if index == field(lane::TCP_FLAGS) || accepted.covers(within) {
        with(Piece::Any);
    } else {
        for &interval in accepted.within(within) {
            with(Piece::Between(interval));
        }
    }
}

struct Header {
    family: Family,
    source: Prefix,
    destination: Prefix,
    target: Target,
    extended: bool,
}

impl Header {
    fn encode(&self, pieces: &ByField<Piece>, words: &mut Vec<u64>) {
        let piece = |lane| pieces.get(field(lane)).copied().unwrap_or(Piece::Any);
        let mut flags = if self.extended { flag::EXTENDED } else { 0 };
        let mut port = |lane| match piece(lane) {
            Piece::Any => u64::from(NO_PORT - 1) << 16,
            Piece::Between(Interval { first, last }) => {
                flags |= flag::PORTS;
                u64::from(first & 0xffff) | u64::from(last.min(NO_PORT - 1)) << 16
            }
        };
        let ports = port(lane::SOURCE_PORT) | port(lane::DESTINATION_PORT) << 32;
        let protocol = match piece(lane::PROTOCOL) {
            Piece::Between(Interval { first, last }) if first == last => {
                u64::from(first & 255) | 255 << 8
            }
            // A range of protocols stands in the extension.
            Piece::Any | Piece::Between(_) => 0,
        };
        let ignored = match self.family {
            Family::Ipv4 => {
                let ignored = |prefix: Prefix| u64::from(32 - prefix.mask.count_ones());
                ignored(self.source) | ignored(self.destination) << 8
            }
            Family::Ipv6 => 0,
        };
        let settings = ignored | protocol << 16 | flags | u64::from(self.target.priority) << 32;
        let entry = self.target.entry;
        let entry = u64::from(entry.verdict) | u64::from(entry.counter) << 32;
        match self.family {
            Family::Ipv4 => {
                words.push(low(self.source.first) | low(self.destination.first) << 32);
                words.extend([ports, settings, entry]);
            }
            Family::Ipv6 => {
                for address in [self.source.first, self.destination.first] {
                    words.extend([low(address >> 64), low(address)]);
                }
                let halves = |prefix: Prefix| {
                    let upper = low(prefix.mask >> 64).count_zeros();
                    u64::from(upper) | u64::from(low(prefix.mask).count_zeros()) << 8
                };
                let ignored = halves(self.source) | halves(self.destination) << 16;
                words.extend([ports, settings, entry, ignored]);
            }
        }
    }
}

/// The lowest 64 bits.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "takes the lower half"
)]
const fn low(number: u128) -> u64 {
    number as u64
}

/// Whether anything but addresses, ports and a single protocol is left to compare.
fn needs_extension(fields: &Fields, region: &ByField<Interval>) -> bool {
    let common = [lane::SOURCE_PORT, lane::DESTINATION_PORT].map(field);
    let numbered = fields.accepted.iter().zip(region).enumerate();
    let mut rest = numbered.filter(|(index, _)| !common.contains(index));
    rest.any(|(index, (accepted, &within))| {
        let single = |one: &Interval| one.first == one.last;
        let is_simple =
            index == field(lane::PROTOCOL) && accepted.within(within).iter().all(single);
        !is_simple && !accepted.covers(within)
    })
}

/// The second place of a condition.
struct Extension([u64; 4]);

impl Extension {
    fn of(fields: &Fields, region: &ByField<Interval>, pieces: &ByField<Piece>) -> Option<Self> {
        if !needs_extension(fields, region) {
            return None;
        }
        let piece = |lane| pieces.get(field(lane)).copied().unwrap_or(Piece::Any);
        let between = |lane, any: (u32, u32), bits: u32| {
            let (first, last) = match piece(lane) {
                Piece::Any => any,
                Piece::Between(Interval { first, last }) => (first, last),
            };
            u64::from(first) | u64::from(last) << bits
        };
        let wide = |lane, last| between(lane, (0, last), 16);
        let narrow = |lane, last| between(lane, (0, last), 8);
        let mut bits = match piece(lane::FRAGMENT) {
            Piece::Any => 7,
            Piece::Between(Interval { first, last }) => {
                (first..=last.min(2)).fold(0, |bits, number| bits | 1 << number)
            }
        };
        let given = |lane| piece(lane) != Piece::Any;
        if given(lane::VLAN) {
            bits |= extension::VLAN;
        }
        if given(lane::ICMP_TYPE) {
            bits |= extension::ICMP_TYPE;
        }
        let sets = wide(lane::SOURCE_SETS, 0xffff) | wide(lane::DESTINATION_SETS, 0xffff) << 32;
        let sizes = wide(lane::VLAN, 0xffff) | wide(lane::LENGTH, MAX_LENGTH) << 32;
        let icmp = if given(lane::ICMP_TYPE) {
            narrow(lane::ICMP_TYPE, 255)
        } else {
            0
        };
        let mut small =
            narrow(lane::DSCP, 63) | narrow(lane::INTERFACE, MAX_INTERFACES - 1) << 16 | icmp << 48;
        if let Some(wanted) = fields.tcp_flags {
            bits |= if wanted.negated {
                extension::NOT_TCP_FLAGS
            } else {
                extension::TCP_FLAGS
            };
            small |= u64::from(wanted.mask) << 32 | u64::from(wanted.set) << 40;
        }
        bits |= narrow(lane::PROTOCOL, 255) << 8;
        Some(Self([sets, sizes, small, bits]))
    }
}
