//! What each source of a class may have.

use serde::{Deserialize, Serialize};

use crate::units::{BitsPerSecond, Nanoseconds};

/// A limit on each source of a class, on each interface. A source is the prefix of a source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PerSource {
    /// The rate of each.
    pub rate: BitsPerSecond,
    /// Depth of the bucket of each, as time at that rate.
    pub burst: Nanoseconds,
    /// Length of the prefixes of IPv4 addresses, 1 to 32.
    pub ipv4_prefix: u8,
    /// Length of the prefixes of IPv6 addresses, 1 to 128.
    pub ipv6_prefix: u8,
}

impl PerSource {
    /// As deep as a TCP sender needs that loses its whole window and waits for its retransmission timer: no class is
    /// hurt by it, since the class has a burst of its own.
    pub const DEFAULT_BURST: Nanoseconds = Nanoseconds::from_millis(200);
    /// Addresses.
    pub const DEFAULT_IPV4_PREFIX: u8 = 32;
    /// Links: a host has as many addresses on its link as it wants (RFC 8981).
    pub const DEFAULT_IPV6_PREFIX: u8 = 64;
}
