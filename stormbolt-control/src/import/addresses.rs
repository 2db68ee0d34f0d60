//! Address families, ranges of addresses as prefixes, and everything but some prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(super) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }

    /// The prefix that has every address.
    pub(super) fn everything(self) -> IpNet {
        match self {
            Self::Ipv4 => IpNet::V4(Ipv4Net::default()),
            Self::Ipv6 => IpNet::V6(Ipv6Net::default()),
        }
    }

    fn last(self) -> u128 {
        match self {
            Self::Ipv4 => u128::from(u32::MAX),
            Self::Ipv6 => u128::MAX,
        }
    }

    /// The address with these bits, those of IPv4 in the lowest 32.
    fn address(self, bits: u128) -> IpAddr {
        match self {
            Self::Ipv4 => Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
            Self::Ipv6 => Ipv6Addr::from_bits(bits).into(),
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The fewest prefixes that have the addresses from `first` to `last` and no others.
pub(super) fn range(first: IpAddr, last: IpAddr) -> Option<Vec<IpNet>> {
    if first > last {
        return None;
    }
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Some(Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            Some(Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// Prefixes with all addresses of the family that are in none of `prefixes`.
pub(super) fn complement(prefixes: &[IpNet], family: Family) -> Vec<IpNet> {
    let same = prefixes
        .iter()
        .filter(|prefix| Family::of(prefix.addr()) == family);
    let mut taken = IpNet::aggregate(&same.copied().collect());
    taken.sort_unstable();
    let mut free = Vec::new();
    let mut push = |first, last| {
        free.extend(range(family.address(first), family.address(last)).unwrap_or_default());
    };
    let mut next = 0_u128;
    for prefix in taken {
        let (first, last) = (bits(prefix.network()), bits(prefix.broadcast()));
        if next < first {
            push(next, first - 1);
        }
        if last >= family.last() {
            return free;
        }
        next = last + 1;
    }
    push(next, family.last());
    free
}
