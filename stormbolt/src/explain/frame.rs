//! Lays a packet out as a frame.

use std::net::IpAddr;

use stormbolt_common::classifier::Fragment;
use stormbolt_ebpf::parse::protocol;

/// Addresses that no hardware has: locally administered.
const ETHERNET_ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
const IPV4: u16 = 0x0800;
const VLAN_TAG: u16 = 0x8100;
const IPV6: u16 = 0x86dd;
/// Ethernet pads what is shorter, FCS excluded.
const SHORTEST_FRAME: usize = 60;
/// Where later fragments begin, in units of eight bytes: behind a full packet.
const LATER: u16 = 185;
/// Hop limit of genuine neighbour discovery (RFC 4861 section 6.1).
const ON_LINK_HOP_LIMIT: u8 = 255;

/// A packet to be laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Source and destination, of one family.
    pub(super) addresses: (IpAddr, IpAddr),
    pub(super) protocol: u8,
    pub(super) ports: (u16, u16),
    pub(super) dscp: u8,
    pub(super) vlan: Option<u16>,
    pub(super) tcp_flags: u8,
    pub(super) icmp_type: u8,
    pub(super) fragment: Fragment,
}

impl Layout {
    /// Length of the shortest frame that has all headers, in bytes.
    pub(super) fn headers(&self) -> usize {
        self.link().len() + self.network_header() + self.transport(0).len()
    }

    /// The frame, `length` bytes long: the IP packet fills it. `None`: as short as can be, padded as
    /// Ethernet does. Checksums are zero, no stage looks at them.
    pub(super) fn frame(&self, length: Option<usize>) -> Vec<u8> {
        let payload = length.map_or(0, |length| length.saturating_sub(self.headers()));
        let transport = self.transport(payload);
        let network = match self.addresses {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.ipv4(source.octets(), destination.octets(), transport.len())
            }
            (source, destination) => {
                self.ipv6(octets(source), octets(destination), transport.len())
            }
        };
        let mut frame = [self.link(), network, transport].concat();
        if length.is_none() {
            frame.resize(frame.len().max(SHORTEST_FRAME), 0);
        }
        frame
    }

    fn is_ipv4(&self) -> bool {
        self.addresses.0.is_ipv4()
    }

    fn link(&self) -> Vec<u8> {
        let mut header = ETHERNET_ADDRESSES.to_vec();
        if let Some(vlan) = self.vlan {
            header.extend(VLAN_TAG.to_be_bytes());
            header.extend(vlan.to_be_bytes());
        }
        let ether_type = if self.is_ipv4() { IPV4 } else { IPV6 };
        header.extend(ether_type.to_be_bytes());
        header
    }

    fn network_header(&self) -> usize {
        match (self.is_ipv4(), self.fragment) {
            (true, _) => 20,
            (false, Fragment::Whole) => 40,
            (false, Fragment::First | Fragment::Later) => 48,
        }
    }

    fn ipv4(&self, source: [u8; 4], destination: [u8; 4], payload: usize) -> Vec<u8> {
        let [length_high, length_low] = short(20 + payload);
        let place = match self.fragment {
            Fragment::Whole => 0,
            Fragment::First => 0x2000,
            Fragment::Later => LATER,
        };
        let [place_high, place_low] = place.to_be_bytes();
        let dscp = self.dscp << 2;
        let words = [
            0x45,
            dscp,
            length_high,
            length_low,
            0,
            1,
            place_high,
            place_low,
            64,
            self.protocol,
            0,
            0,
        ];
        [&words[..], &source, &destination].concat()
    }

    fn ipv6(&self, source: [u8; 16], destination: [u8; 16], payload: usize) -> Vec<u8> {
        let place = match self.fragment {
            Fragment::Whole => None,
            Fragment::First => Some(1),
            Fragment::Later => Some(LATER << 3),
        };
        let fragment = place.map_or_else(Vec::new, |place: u16| {
            let [high, low] = place.to_be_bytes();
            vec![self.protocol, 0, high, low, 0, 0, 0, 1]
        });
        let next = if fragment.is_empty() {
            self.protocol
        } else {
            protocol::FRAGMENT
        };
        let is_discovery = self.protocol == protocol::ICMPV6 && matches!(self.icmp_type, 133..=137);
        let hop_limit = if is_discovery { ON_LINK_HOP_LIMIT } else { 64 };
        let [length_high, length_low] = short(fragment.len() + payload);
        let words = [
            0x60 | self.dscp >> 2,
            self.dscp << 6,
            0,
            0,
            length_high,
            length_low,
            next,
            hop_limit,
        ];
        [&words[..], &source, &destination, &fragment].concat()
    }

    /// The transport header and `payload` bytes behind it; later fragments have no header.
    fn transport(&self, payload: usize) -> Vec<u8> {
        let (source, destination) = self.ports;
        let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
        let mut header = match (self.fragment, self.protocol) {
            (Fragment::Later, _) => Vec::new(),
            (_, protocol::TCP) => {
                let rest = [
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                    0,
                    0,
                    5 << 4,
                    self.tcp_flags,
                    0xff,
                    0xff,
                    0,
                    0,
                    0,
                    0,
                ];
                [&ports[..], &rest].concat()
            }
            (_, protocol::UDP) => {
                let [length_high, length_low] = short(8 + payload);
                [&ports[..], &[length_high, length_low, 0, 0]].concat()
            }
            (_, protocol::SCTP) => [&ports[..], &[0; 8]].concat(),
            (_, protocol::ICMP | protocol::ICMPV6) => vec![self.icmp_type, 0, 0, 0, 0, 1, 0, 1],
            (_, _) => Vec::new(),
        };
        header.resize(header.len() + payload, 0);
        header
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// A length as headers write it; frames are far shorter than 64 KiB.
fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}
