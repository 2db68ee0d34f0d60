//! Finds the first rule that a packet matches, as the conjunction of one bitmap per field.
//!
//! The structure is explained at [`stormbolt_common::classifier`]. The cost depends on which fields
//! the policy's rules look at and on the position of the first match in steps of 64 rules.

use stormbolt_common::classifier::{
    BITMAP_WORDS, Field, MAX_LENGTH, NO_PORT, NOT_ICMP, NOT_TCP, RuleBitmap, UNTAGGED,
};
use stormbolt_common::policy::{PolicyHeader, RuleEntry};

use crate::parse::Headers;
use crate::tables::Rules;

/// What rules look at beside the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Index of the interface.
    pub interface: u32,
    /// Length of the frame in bytes, without FCS.
    pub length: u32,
}

/// A table that the policy needs is not there; the packet can't be classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableMissing;

/// The first matching rule, or `None` where no rule matches.
///
/// # Errors
/// A bitmap is missing, which only a half-written policy could cause.
#[inline(always)]
pub fn classify<R: Rules>(
    policy: &PolicyHeader,
    rules: &R,
    headers: &Headers,
    arrival: Arrival,
) -> Result<Option<RuleEntry>, TableMissing> {
    if policy.bitmap_words == 0 {
        return Ok(None);
    }
    let bitmaps = lookup(policy, rules, headers, arrival).ok_or(TableMissing)?;
    match first_match(policy.bitmap_words, &bitmaps) {
        None => Ok(None),
        Some(rule) => rules.rule(rule).map(Some).ok_or(TableMissing),
    }
}

/// The bitmap of each field's value, in the order of [`Field::ALL`].
#[inline(always)]
fn lookup<'a, R: Rules>(
    policy: &PolicyHeader,
    rules: &'a R,
    headers: &Headers,
    arrival: Arrival,
) -> Option<[&'a RuleBitmap; 12]> {
    let all = rules.all()?;
    let uses = |field: Field| policy.used_fields & field.bit() != 0;
    let of_value = |field: Field, value: u32| {
        if uses(field) {
            rules.of_value(field, value)
        } else {
            Some(all)
        }
    };
    let source = if uses(Field::Source) {
        rules.of_source(&headers.source)?
    } else {
        all
    };
    let destination = if uses(Field::Destination) {
        rules.of_destination(&headers.destination)?
    } else {
        all
    };
    let (source_port, destination_port) = match headers.ports {
        Some(ports) => (u32::from(ports.source), u32::from(ports.destination)),
        None => (NO_PORT, NO_PORT),
    };
    Some([
        source,
        destination,
        of_value(Field::SourcePort, source_port)?,
        of_value(Field::DestinationPort, destination_port)?,
        of_value(Field::Protocol, u32::from(headers.protocol))?,
        of_value(Field::Dscp, u32::from(headers.dscp))?,
        of_value(Field::Vlan, headers.vlan.map_or(UNTAGGED, u32::from))?,
        of_value(
            Field::TcpFlags,
            headers.tcp_flags.map_or(NOT_TCP, u32::from),
        )?,
        of_value(Field::Fragment, fragment_value(headers))?,
        of_value(
            Field::IcmpType,
            headers.icmp_type.map_or(NOT_ICMP, u32::from),
        )?,
        of_value(
            Field::Length,
            if arrival.length < MAX_LENGTH {
                arrival.length
            } else {
                MAX_LENGTH
            },
        )?,
        of_value(Field::Interface, arrival.interface)?,
    ])
}

#[inline(always)]
#[expect(
    clippy::as_conversions,
    reason = "the discriminant is the value in the table"
)]
const fn fragment_value(headers: &Headers) -> u32 {
    headers.fragment as u32
}

/// Number of the lowest bit that is set in all bitmaps.
#[inline(always)]
fn first_match(bitmap_words: u32, bitmaps: &[&RuleBitmap; 12]) -> Option<u32> {
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11] = bitmaps;
    let mut number = 0;
    for word in 0..BITMAP_WORDS {
        if number >= bitmap_words * 64 {
            return None;
        }
        let at = |bitmap: &RuleBitmap| bitmap.words.get(word).copied().unwrap_or(0);
        let matching = at(b0)
            & at(b1)
            & at(b2)
            & at(b3)
            & at(b4)
            & at(b5)
            & at(b6)
            & at(b7)
            & at(b8)
            & at(b9)
            & at(b10)
            & at(b11);
        if matching != 0 {
            return Some(number + matching.trailing_zeros());
        }
        number += 64;
    }
    None
}
