//! Fields with few enough values for a table by value.

use std::collections::BTreeMap;

use stormbolt_common::classifier::{Field, Fragment};

use super::bitmaps::{Bitmaps, Full, NONE, set};
use crate::policy::{FragmentMatch, Range, Rule, RuleMatch, TcpFlagsMatch};

/// The values of a field that one rule accepts; `None`: all of them.
type Accepted = Option<Vec<Range<u32>>>;

/// Whether any rule looks at the field.
pub(super) fn uses(field: Field, rules: &[Rule]) -> bool {
    rules.iter().any(|rule| is_given(field, &rule.matches))
}

fn is_given(field: Field, matches: &RuleMatch) -> bool {
    match field {
        Field::Source => matches.source.is_some(),
        Field::Destination => matches.destination.is_some(),
        Field::SourcePort => matches.source_port.is_some(),
        Field::DestinationPort => matches.destination_port.is_some(),
        Field::Protocol => matches.protocol.is_some(),
        Field::Dscp => matches.dscp.is_some(),
        Field::Vlan => matches.vlan.is_some(),
        Field::TcpFlags => matches.tcp_flags.is_some(),
        Field::Fragment => matches.fragment.is_some(),
        Field::IcmpType => matches.icmp_type.is_some(),
        Field::Length => matches.length.is_some(),
        Field::Interface => matches.interface.is_some(),
    }
}

/// The values that each rule accepts, in the order of the rules.
pub(super) fn accepted(field: Field, rules: &[Rule], interfaces: &[u32]) -> Vec<Accepted> {
    rules
        .iter()
        .map(|rule| accepted_by(field, &rule.matches, interfaces))
        .collect()
}

fn accepted_by(field: Field, matches: &RuleMatch, interfaces: &[u32]) -> Accepted {
    match field {
        Field::Source | Field::Destination => None,
        Field::SourcePort => widen(matches.source_port.as_deref()),
        Field::DestinationPort => widen(matches.destination_port.as_deref()),
        Field::Protocol => matches
            .protocol
            .as_ref()
            .map(|list| singles(list.iter().copied())),
        Field::Dscp => widen(matches.dscp.as_deref()),
        Field::Vlan => widen(matches.vlan.as_deref()),
        Field::TcpFlags => matches.tcp_flags.map(tcp_flags),
        Field::Fragment => matches.fragment.map(fragments),
        Field::IcmpType => widen(matches.icmp_type.as_deref()),
        Field::Length => widen(matches.length.as_deref()),
        Field::Interface => matches.interface.as_ref().map(|positions| {
            singles(
                positions
                    .iter()
                    .filter_map(|&position| interfaces.get(position).copied()),
            )
        }),
    }
}

fn widen<T: Copy + Into<u32>>(ranges: Option<&[Range<T>]>) -> Accepted {
    ranges.map(|ranges| {
        ranges
            .iter()
            .map(|range| Range {
                first: range.first.into(),
                last: range.last.into(),
            })
            .collect()
    })
}

fn singles<T: Into<u32>>(values: impl Iterator<Item = T>) -> Vec<Range<u32>> {
    values
        .map(|value| {
            let value = value.into();
            Range {
                first: value,
                last: value,
            }
        })
        .collect()
}

fn tcp_flags(wanted: TcpFlagsMatch) -> Vec<Range<u32>> {
    singles((0..=u8::MAX).filter(|flags| flags & wanted.mask == wanted.set))
}

fn fragments(wanted: FragmentMatch) -> Vec<Range<u32>> {
    let value = |fragment: Fragment| match fragment {
        Fragment::Whole => 0_u32,
        Fragment::First => 1,
        Fragment::Later => 2,
    };
    match wanted {
        FragmentMatch::No => singles([value(Fragment::Whole)].into_iter()),
        FragmentMatch::First => singles([value(Fragment::First)].into_iter()),
        FragmentMatch::Later => singles([value(Fragment::Later)].into_iter()),
        FragmentMatch::Any => singles([value(Fragment::First), value(Fragment::Later)].into_iter()),
    }
}

/// Writes the bitmap numbers of all values of `field` into its part of `direct`.
///
/// Sweeps over the values, changing the bitmap only where a rule's range begins or ends.
pub(super) fn fill(
    field: Field,
    accepted: &[Accepted],
    bitmaps: &mut Bitmaps,
    direct: &mut [u32],
) -> Result<(), Full> {
    let values = field.values();
    let mut changes: BTreeMap<u32, Vec<(usize, bool)>> = BTreeMap::from([(0, Vec::new())]);
    let mut bitmap = NONE;
    for (rule, accepted) in accepted.iter().enumerate() {
        let Some(ranges) = accepted else {
            set(&mut bitmap, rule, true);
            continue;
        };
        for range in merged(ranges) {
            changes.entry(range.first).or_default().push((rule, true));
            changes
                .entry(range.last.saturating_add(1))
                .or_default()
                .push((rule, false));
        }
    }
    let starts: Vec<u32> = changes
        .keys()
        .copied()
        .filter(|&start| start < values)
        .collect();
    for (position, &start) in starts.iter().enumerate() {
        for &(rule, accepts) in changes.get(&start).into_iter().flatten() {
            set(&mut bitmap, rule, accepts);
        }
        let end = starts.get(position + 1).copied().unwrap_or(values);
        let number = bitmaps.number(bitmap)?;
        let part = direct_range(field, start, end);
        if let Some(entries) = direct.get_mut(part) {
            entries.fill(number);
        }
    }
    Ok(())
}

fn direct_range(field: Field, start: u32, end: u32) -> std::ops::Range<usize> {
    let index = |value: u32| usize::try_from(field.base() + value).unwrap_or(usize::MAX);
    index(start)..index(end)
}

/// The ranges in order, those that overlap or touch joined into one.
fn merged(ranges: &[Range<u32>]) -> Vec<Range<u32>> {
    let mut sorted: Vec<Range<u32>> = ranges
        .iter()
        .copied()
        .filter(|range| range.first <= range.last)
        .collect();
    sorted.sort_by_key(|range| range.first);
    let mut result: Vec<Range<u32>> = Vec::new();
    for range in sorted {
        match result.last_mut() {
            Some(last) if range.first <= last.last.saturating_add(1) => {
                last.last = last.last.max(range.last);
            }
            _ => result.push(range),
        }
    }
    result
}
