//! Prefixes of the address space that both families share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use stormbolt_common::{Address, ipv4_mapped};

/// Address families; each has trees of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

/// A prefix of the addresses of one family, as 128 bits in the order of the network; IPv4 addresses
/// stand in the lowest 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Prefix {
    /// The first address.
    pub(super) first: u128,
    /// Ones for the bits that count.
    pub(super) mask: u128,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The highest address.
    pub(super) const fn last_address(self) -> u128 {
        match self {
            Self::Ipv4 => 0xffff_ffff,
            Self::Ipv6 => u128::MAX,
        }
    }

    /// The address of this number.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "takes the lowest word"
    )]
    pub(super) fn address(self, number: u128) -> IpAddr {
        match self {
            Self::Ipv4 => Ipv4Addr::from(number as u32).into(),
            Self::Ipv6 => Ipv6Addr::from(number).into(),
        }
    }

    /// Bits of an address.
    pub(super) const fn bits(self) -> u32 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

impl Prefix {
    /// All addresses.
    pub(super) const ALL: Self = Self { first: 0, mask: 0 };

    /// A prefix and its family. IPv4 addresses written as IPv6 (`::ffff:192.0.2.0/120`) are IPv4.
    pub(super) fn of(net: &IpNet) -> (Family, Self) {
        let ipv4 = |first: u128, mask: u128| Self {
            first: first & Family::Ipv4.last_address(),
            mask: mask & Family::Ipv4.last_address(),
        };
        match net {
            IpNet::V4(net) => {
                let (first, mask) = (u32::from(net.network()), u32::from(net.netmask()));
                (Family::Ipv4, ipv4(first.into(), mask.into()))
            }
            IpNet::V6(net) => {
                let (first, mask) = (u128::from(net.network()), u128::from(net.netmask()));
                if net.prefix_len() >= 96 && is_ipv4(first) {
                    (Family::Ipv4, ipv4(first, mask))
                } else {
                    (Family::Ipv6, Self { first, mask })
                }
            }
        }
    }

    /// The highest address in it.
    pub(super) const fn last(self, family: Family) -> u128 {
        self.first | (family.last_address() & !self.mask)
    }
}

/// Whether an address of the space that both families share is IPv4.
fn is_ipv4(address: u128) -> bool {
    address >> 32 == u128::from_be_bytes(ipv4_mapped([0; 4])) >> 32
}

/// Whether a rule for `net` matches `address`: the meaning of a prefix in a policy. A prefix of IPv6
/// that is so short that IPv4 lies in it does not cover IPv4: `::/0` means IPv6 only.
pub fn covers(net: IpNet, address: &Address) -> bool {
    let address = u128::from_be_bytes(*address);
    let (family, prefix) = Prefix::of(&net);
    match family {
        Family::Ipv4 => {
            let low = address & Family::Ipv4.last_address();
            is_ipv4(address) && low & prefix.mask == prefix.first
        }
        Family::Ipv6 => !is_ipv4(address) && address & prefix.mask == prefix.first,
    }
}
