//! Values as the tools write them.

use std::net::IpAddr;

use ipnet::IpNet;
use stormbolt_common::classifier::MAX_LENGTH;

use super::addresses::{self, Family};
use crate::policy::Range;

/// Bytes of an Ethernet header without VLAN tag.
const ETHERNET_HEADER: u16 = 14;
/// IP packets shorter than this are padded on Ethernet.
const PADDED: u16 = 46;
/// No IPv4 packet is shorter.
const SHORTEST: u16 = 20;

/// Reads a number, decimal or in hexadecimal with `0x`.
pub(super) fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()?
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
        Some(_) | None => return None,
    };
    T::try_from(number).ok()
}

/// Reads a number or a range, whose ends `separator` parts. Open ends, as of `:1024`, are the
/// smallest and the largest value.
pub(super) fn range<T: TryFrom<u64> + Copy + PartialOrd>(
    text: &str,
    separator: char,
    end: impl Fn(&str) -> Option<T>,
    (min, max): (T, T),
) -> Option<Range<T>> {
    let Some((first, last)) = text.split_once(separator) else {
        let value = end(text)?;
        return (min <= value && value <= max).then_some(Range {
            first: value,
            last: value,
        });
    };
    let (first, last) = (first.trim(), last.trim());
    let first = if first.is_empty() { min } else { end(first)? };
    let last = if last.is_empty() { max } else { end(last)? };
    (min <= first && first <= last && last <= max).then_some(Range { first, last })
}

/// Reads an address, a prefix `10.0.0.0/8`, an address with netmask, or a range of addresses, as
/// prefixes of the family.
pub(super) fn prefixes(text: &str, family: Family) -> Result<Vec<IpNet>, String> {
    let found = match text.split_once('-') {
        Some((first, last)) => first
            .parse()
            .ok()
            .zip(last.parse().ok())
            .and_then(|(first, last)| addresses::range(first, last)),
        None => prefix(text).map(|prefix| vec![prefix]),
    };
    let Some(found) = found else {
        return Err(format!("`{text}` is not an address, a prefix or a range"));
    };
    if found
        .iter()
        .any(|prefix| Family::of(prefix.addr()) != family)
    {
        return Err(format!("`{text}` is not {}", family.name()));
    }
    Ok(found)
}

fn prefix(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse().ok().map(|address: IpAddr| address.into());
    };
    let address: IpAddr = address.parse().ok()?;
    let prefix = if length.contains(['.', ':']) {
        IpNet::with_netmask(address, length.parse().ok()?).ok()?
    } else {
        IpNet::new(address, number(length)?).ok()?
    };
    Some(prefix.trunc())
}

/// Lengths of frames whose IP packets have these lengths, untagged; or why there are none.
pub(super) fn frame_lengths(packets: Range<u16>) -> Result<Range<u16>, String> {
    let max = u16::try_from(MAX_LENGTH).unwrap_or(u16::MAX);
    let Range { first, last } = packets;
    if (SHORTEST + 1..=PADDED).contains(&first) || last < PADDED {
        return Err(format!(
            "Ethernet pads packets below {PADDED} bytes, and StormBolt compares lengths of frames"
        ));
    }
    let longest = max - ETHERNET_HEADER - 1;
    if first > longest || (last > longest && last != u16::MAX) {
        return Err(format!("StormBolt tells lengths apart below {max} bytes"));
    }
    Ok(Range {
        first: if first <= SHORTEST {
            0
        } else {
            first + ETHERNET_HEADER
        },
        last: if last == u16::MAX {
            max
        } else {
            last + ETHERNET_HEADER
        },
    })
}

/// What is to be known about a length that [`frame_lengths`] has translated.
pub(super) const LENGTH_NOTE: &str = "14 bytes of Ethernet header were added to the length: frames \
     with VLAN tags are 4 bytes longer each, and packets are compared one by one before the kernel \
     joins them (GRO)";
