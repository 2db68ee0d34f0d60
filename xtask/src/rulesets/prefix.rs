//! A prefix of either version as one number.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::family::IpVersion;

/// A prefix; its address is left-aligned, that of IPv4 in the highest 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Prefix {
    bits: u128,
    length: u8,
}

impl Prefix {
    /// The whole address space.
    pub(super) const ANY: Self = Self { bits: 0, length: 0 };

    /// The first `length` bits of `bits`.
    pub(super) fn new(bits: u128, length: u8) -> Self {
        Self {
            bits: bits & mask(length),
            length,
        }
    }

    pub(super) const fn bits(self) -> u128 {
        self.bits
    }

    pub(super) const fn length(self) -> u8 {
        self.length
    }

    /// Reports whether the two have an address in common, so that one lies in the other.
    pub(super) fn overlaps(self, other: Self) -> bool {
        (self.bits ^ other.bits) & mask(self.length.min(other.length)) == 0
    }

    /// The shorter prefix that this one lies in.
    pub(super) fn shortened(self, length: u8) -> Self {
        Self::new(self.bits, length.min(self.length))
    }

    pub(super) fn to_net(self, version: IpVersion) -> IpNet {
        let address = address(self.bits, version);
        match address {
            IpAddr::V4(address) => Ipv4Net::new_assert(address, self.length).into(),
            IpAddr::V6(address) => Ipv6Net::new_assert(address, self.length).into(),
        }
    }

    pub(super) fn of_net(net: &IpNet) -> Self {
        let bits = match net.addr() {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        Self::new(bits, net.prefix_len())
    }
}

/// The bits that a prefix of `length` fixes.
pub(super) fn mask(length: u8) -> u128 {
    !u128::MAX.checked_shr(length.into()).unwrap_or(0)
}

/// The address whose bits are the highest of `bits`.
pub(super) fn address(bits: u128, version: IpVersion) -> IpAddr {
    let [a, b, c, d, ..] = bits.to_be_bytes();
    match version {
        IpVersion::V4 => Ipv4Addr::new(a, b, c, d).into(),
        IpVersion::V6 => Ipv6Addr::from_bits(bits).into(),
    }
}
