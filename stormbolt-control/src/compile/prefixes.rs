//! Source and destination prefixes.

use std::collections::BTreeMap;

use ipnet::IpNet;
use stormbolt_common::classifier::{Field, RuleBitmap};
use stormbolt_common::limits::MAX_PREFIXES;
use stormbolt_common::{Address, ipv4_mapped};

use super::CompileError;
use super::bitmaps::{Bitmaps, NONE, set};
use crate::policy::Rule;

/// A prefix of the address space that both families share.
///
/// Ordered by address, then by length, so that a prefix stands right before all that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The first address, network order.
    pub address: Address,
    /// Leading bits that count, 0 to 128.
    pub length: u8,
}

/// All of IPv6, and all of the shared address space.
const EVERYTHING: Prefix = Prefix {
    address: [0; 16],
    length: 0,
};
/// All of IPv4 within the shared address space.
const ALL_IPV4: Prefix = Prefix {
    address: ipv4_mapped([0; 4]),
    length: 96,
};

impl From<IpNet> for Prefix {
    fn from(net: IpNet) -> Self {
        match net.trunc() {
            IpNet::V4(net) => Self {
                address: ipv4_mapped(net.addr().octets()),
                length: net.prefix_len() + ALL_IPV4.length,
            },
            IpNet::V6(net) => Self {
                address: net.addr().octets(),
                length: net.prefix_len(),
            },
        }
    }
}

impl Prefix {
    /// Whether `address` begins with this prefix, bit by bit.
    fn contains(&self, address: &Address) -> bool {
        let difference = u128::from_be_bytes(self.address) ^ u128::from_be_bytes(*address);
        difference.leading_zeros() >= u32::from(self.length)
    }

    /// Whether everything in `inner` matches a rule for this prefix. A prefix of IPv6 that is so
    /// short that IPv4 lies in it does not cover IPv4: `::/0` means IPv6 only.
    fn covers(&self, inner: &Self) -> bool {
        let crosses_families = self.length < ALL_IPV4.length
            && inner.length >= ALL_IPV4.length
            && ALL_IPV4.contains(&inner.address);
        self.length <= inner.length && self.contains(&inner.address) && !crosses_families
    }
}

/// Whether a rule for `net` matches `address`: the meaning of a prefix in a policy.
pub fn covers(net: IpNet, address: &Address) -> bool {
    Prefix::from(net).covers(&Prefix {
        address: *address,
        length: 128,
    })
}

fn of_rule(field: Field, rule: &Rule) -> Option<&[IpNet]> {
    if field == Field::Source {
        rule.matches.source.as_deref()
    } else {
        rule.matches.destination.as_deref()
    }
}

/// Every distinct prefix with the number of the bitmap of all rules whose prefixes cover it.
pub(super) fn compile(
    field: Field,
    rules: &[Rule],
    bitmaps: &mut Bitmaps,
) -> Result<Vec<(Prefix, u32)>, CompileError> {
    let mut indifferent = NONE;
    let mut own: BTreeMap<Prefix, Vec<usize>> =
        BTreeMap::from([(EVERYTHING, Vec::new()), (ALL_IPV4, Vec::new())]);
    for (position, rule) in rules.iter().enumerate() {
        match of_rule(field, rule) {
            None => set(&mut indifferent, position, true),
            Some(nets) => {
                for &net in nets {
                    own.entry(Prefix::from(net)).or_default().push(position);
                }
            }
        }
    }
    if u32::try_from(own.len()).map_or(true, |count| count > MAX_PREFIXES) {
        return Err(CompileError::TooManyPrefixes {
            field,
            prefixes: own.len(),
        });
    }
    let mut table = Vec::with_capacity(own.len());
    // The prefixes around the current one, the innermost last.
    let mut around: Vec<(Prefix, RuleBitmap)> = Vec::new();
    for (prefix, positions) in own {
        while around
            .last()
            .is_some_and(|(outer, _)| !outer.contains(&prefix.address))
        {
            around.pop();
        }
        let inherited = around.iter().rev().find(|(outer, _)| outer.covers(&prefix));
        let mut bitmap = inherited.map_or(indifferent, |(_, bitmap)| *bitmap);
        for position in positions {
            set(&mut bitmap, position, true);
        }
        let number = bitmaps
            .number(bitmap)
            .map_err(|_| CompileError::TooManyBitmaps { field })?;
        table.push((prefix, number));
        around.push((prefix, bitmap));
    }
    Ok(table)
}
