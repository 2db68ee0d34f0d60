//! How the addresses of a rule are looked at: prefix by prefix, or as a set.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::membership::Range;
use super::prefix::{Family, Prefix};
use crate::policy::{Addresses, Set};

/// Prefixes that a rule may name for one address before they are looked up as a set instead.
const MAX_LISTED: usize = 16;

/// How one address of a rule is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Not at all.
    Any,
    /// Prefix by prefix.
    Prefixes,
    /// As the list of this number, or all but it.
    Set(usize, bool),
}

/// A list of prefixes that is looked up as a set: the positions of named sets, and more prefixes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct List {
    pub(super) sets: Vec<usize>,
    pub(super) prefixes: Vec<IpNet>,
}

impl Side {
    /// How `addresses` are looked at; `number` numbers lists.
    pub(super) fn of(
        addresses: Option<&Addresses>,
        sets: &[Arc<Set>],
        number: impl FnOnce(List) -> Option<usize>,
    ) -> Option<Self> {
        let Some(addresses) = addresses else {
            return Some(Self::Any);
        };
        let few = addresses.all_prefixes(sets).nth(MAX_LISTED).is_none();
        if few && !addresses.negated {
            return Some(Self::Prefixes);
        }
        let list = List {
            sets: addresses.sets.clone(),
            prefixes: addresses.prefixes.clone(),
        };
        Some(Self::Set(number(list)?, addresses.negated))
    }

    /// The prefixes of a family that items compare.
    pub(super) fn prefixes(
        self,
        addresses: Option<&Addresses>,
        sets: &[Arc<Set>],
        family: Family,
    ) -> Vec<Prefix> {
        match (self, addresses) {
            (Self::Prefixes, Some(addresses)) => {
                let all = addresses.all_prefixes(sets).map(|net| Prefix::of(&net));
                let of_family = all.filter(|(of, _)| *of == family);
                let mut prefixes: Vec<_> = of_family.map(|(_, prefix)| prefix).collect();
                prefixes.sort_unstable();
                prefixes.dedup();
                prefixes
            }
            _ => vec![Prefix::ALL],
        }
    }
}

impl List {
    pub(super) fn prefixes<'a>(&'a self, sets: &'a [Arc<Set>]) -> impl Iterator<Item = &'a IpNet> {
        let named = self.sets.iter().filter_map(|&position| sets.get(position));
        let of_sets = named.flat_map(|set| &set.prefixes);
        self.prefixes.iter().chain(of_sets)
    }

    /// The prefixes that have addresses in `range`, in time that hardly depends on how many there are
    /// elsewhere. `None` where sets have IPv4 addresses written as IPv6, which are out of order.
    pub(super) fn around(
        &self,
        range: Range,
        family: Family,
        sets: &[Arc<Set>],
    ) -> Option<Vec<IpNet>> {
        let meets = |net: &IpNet| {
            let (of, prefix) = Prefix::of(net);
            of == family && prefix.first <= range.last && range.first <= prefix.last(family)
        };
        let mut nets: Vec<IpNet> = self.prefixes.iter().copied().filter(meets).collect();
        for &position in &self.sets {
            let all = sets.get(position)?.prefixes.as_slice();
            if has_mapped(all) {
                return None;
            }
            let address = |number: u128| family.address(number);
            let first = all.partition_point(|net| net.network() < address(range.first));
            let end = all.partition_point(|net| net.network() <= address(range.last));
            nets.extend(all.get(first..end)?);
            for length in 0..=u8::try_from(family.bits()).ok()? {
                let around = IpNet::new(address(range.first), length).ok()?.trunc();
                if around.network() < address(range.first) && all.binary_search(&around).is_ok() {
                    nets.push(around);
                }
            }
        }
        Some(nets)
    }
}

/// Whether IPv4 addresses written as IPv6 are among the prefixes, which are in order.
fn has_mapped(nets: &[IpNet]) -> bool {
    let lowest = IpAddr::from(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped());
    let highest = IpAddr::from(Ipv4Addr::BROADCAST.to_ipv6_mapped());
    let first = nets.partition_point(|net| net.network() < lowest);
    let found = nets.get(first..).unwrap_or_default().iter();
    found
        .take_while(|net| net.network() <= highest)
        .any(|net| net.prefix_len() >= 96)
}
