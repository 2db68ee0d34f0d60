//! What another parser reads in a frame: a check of ours that shares no line with it.

use etherparse::{
    IpNumber, Ipv4Slice, Ipv6Slice, LinkExtSlice, NetSlice, SlicedPacket, TcpSlice, TransportSlice,
    ip_number,
};
use stormbolt_common::{Address, ipv4_mapped};
use stormbolt_ebpf::parse::Headers;

/// Headers behind which etherparse does not look, or not as we do: it follows an authentication
/// header behind IPv4 too, and does not know the other three.
const NOT_ALIKE: [IpNumber; 4] = [
    ip_number::AUTH,
    ip_number::MOBILITY,
    ip_number::HIP,
    ip_number::SHIM6,
];

/// What etherparse says; `None` where it does not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Differentiated services code point.
    pub dscp: u8,
    /// VLAN identifier of the outer tag; `None` without one.
    pub vlan: Option<u16>,
    /// Whether the packet is a fragment.
    pub is_fragment: bool,
    /// Protocol behind all extension headers.
    pub protocol: Option<u8>,
    /// Ports of TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// TCP flags.
    pub tcp_flags: Option<u8>,
    /// ICMP type.
    pub icmp_type: Option<u8>,
}

/// Asks etherparse; `None` where it refuses the frame or finds no IP in it.
pub fn of(frame: &[u8]) -> Option<Opinion> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let mut tags = sliced
        .link_exts
        .iter()
        .filter_map(|extension| match extension {
            LinkExtSlice::Vlan(tag) => Some(tag.vlan_identifier().value()),
            LinkExtSlice::Macsec(_) => None,
        });
    // Behind a priority tag the inner tag's VLAN counts.
    let vlan = match tags.next() {
        Some(0) => Some(tags.next().unwrap_or(0)),
        outer => outer,
    };
    let network = match sliced.net? {
        NetSlice::Ipv4(packet) => of_ipv4(&packet),
        NetSlice::Ipv6(packet) => of_ipv6(&packet)?,
        NetSlice::Arp(_) => return None,
    };
    let network = Opinion { vlan, ..network };
    if network.protocol.is_none() {
        return Some(network);
    }
    Some(match sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => Opinion {
            ports: Some((tcp.source_port(), tcp.destination_port())),
            tcp_flags: Some(flags(&tcp)),
            ..network
        },
        Some(TransportSlice::Udp(udp)) => Opinion {
            ports: Some((udp.source_port(), udp.destination_port())),
            ..network
        },
        Some(TransportSlice::Icmpv4(icmp)) => Opinion {
            icmp_type: Some(icmp.type_u8()),
            ..network
        },
        Some(TransportSlice::Icmpv6(icmp)) => Opinion {
            icmp_type: Some(icmp.type_u8()),
            ..network
        },
        Some(TransportSlice::Igmp(_)) | None => network,
    })
}

fn of_ipv4(packet: &Ipv4Slice<'_>) -> Opinion {
    let header = packet.header();
    let protocol = header.protocol();
    Opinion {
        source: ipv4_mapped(header.source()),
        destination: ipv4_mapped(header.destination()),
        dscp: header.dcp().value(),
        vlan: None,
        is_fragment: packet.is_payload_fragmented(),
        protocol: (!NOT_ALIKE.contains(&protocol)).then_some(protocol.0),
        ports: None,
        tcp_flags: None,
        icmp_type: None,
    }
}

/// `None` for jumbograms, whose payload etherparse takes to be the rest of the frame.
fn of_ipv6(packet: &Ipv6Slice<'_>) -> Option<Opinion> {
    let header = packet.header();
    if header.payload_length() == 0 {
        return None;
    }
    let protocol = packet.payload().ip_number;
    // It takes the payload of later fragments for headers.
    let is_alike = !packet.is_payload_fragmented() && !NOT_ALIKE.contains(&protocol);
    Some(Opinion {
        source: header.source(),
        destination: header.destination(),
        dscp: header.dscp().value(),
        vlan: None,
        is_fragment: packet.is_payload_fragmented(),
        protocol: is_alike.then_some(protocol.0),
        ports: None,
        tcp_flags: None,
        icmp_type: None,
    })
}

fn flags(tcp: &TcpSlice<'_>) -> u8 {
    let from_the_lowest = [
        tcp.fin(),
        tcp.syn(),
        tcp.rst(),
        tcp.psh(),
        tcp.ack(),
        tcp.urg(),
        tcp.ece(),
        tcp.cwr(),
    ];
    from_the_lowest
        .into_iter()
        .rev()
        .fold(0, |flags, is_set| flags << 1 | u8::from(is_set))
}

impl Opinion {
    /// The same view of what our parser read, blind where this opinion is.
    #[must_use]
    pub fn of_ours(&self, ours: &Headers) -> Self {
        Self {
            source: ours.source,
            destination: ours.destination,
            dscp: ours.dscp,
            vlan: ours.vlan,
            is_fragment: ours.is_fragment(),
            protocol: self.protocol.map(|_| ours.protocol),
            ports: self
                .ports
                .and(ours.ports.map(|ports| (ports.source, ports.destination))),
            tcp_flags: self.tcp_flags.and(ours.tcp_flags),
            icmp_type: self.icmp_type.and(ours.icmp_type),
        }
    }
}
