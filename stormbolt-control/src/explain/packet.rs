//! What rules look at, as plain values.

use std::net::IpAddr;

use stormbolt_common::classifier::Fragment;

/// A packet's values of all fields that a rule can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source port; `None` for protocols without ports and for later fragments.
    pub source_port: Option<u16>,
    /// Destination port, likewise.
    pub destination_port: Option<u16>,
    /// IP protocol number of the transport header.
    pub protocol: u8,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// VLAN identifier; `None` for untagged packets.
    pub vlan: Option<u16>,
    /// TCP flags, FIN in the lowest bit; `None` for packets that do not carry a TCP header.
    pub tcp_flags: Option<u8>,
    /// Place in a fragmented datagram.
    pub fragment: Fragment,
    /// ICMP or `ICMPv6` type; `None` for packets that do not carry such a header.
    pub icmp_type: Option<u8>,
    /// Length of the frame in bytes, Ethernet header included, FCS excluded.
    pub length: u32,
    /// Position of the interface in [`crate::policy::Policy::interfaces`].
    pub interface: usize,
}
