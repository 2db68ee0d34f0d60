//! Parses a frame's headers: Ethernet, VLAN tags, IP, extension headers, transport.
//!
//! No length field is trusted: each is held against the frame and against the length of the header
//! around it. What is not IP is told apart from IP that is malformed.

mod ethernet;
mod ipv4;
mod ipv6;
mod transport;

pub use ipv6::MAX_EXTENSION_HEADERS;

use stormbolt_common::Address;
use stormbolt_common::classifier::{Fragment, UNTAGGED};
use stormbolt_common::outcome::Outcome;

use crate::packet::PacketBytes;

/// IP protocol numbers (IANA) that the parser knows.
pub mod protocol {
    /// IPv6 hop-by-hop options, RFC 8200 section 4.3.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP, RFC 792.
    pub const ICMP: u8 = 1;
    /// TCP, RFC 9293.
    pub const TCP: u8 = 6;
    /// UDP, RFC 768.
    pub const UDP: u8 = 17;
    /// IPv6 routing header, RFC 8200 section 4.4.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header, RFC 8200 section 4.5.
    pub const FRAGMENT: u8 = 44;
    /// Authentication header, RFC 4302.
    pub const AUTHENTICATION: u8 = 51;
    /// `ICMPv6`, RFC 4443.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options, RFC 8200 section 4.6.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// SCTP, RFC 9260.
    pub const SCTP: u8 = 132;
    /// Mobility header, RFC 6275.
    pub const MOBILITY: u8 = 135;
    /// Host identity protocol, RFC 7401.
    pub const HIP: u8 = 139;
    /// Shim6, RFC 5533.
    pub const SHIM6: u8 = 140;
}

/// The longest datagram that fragments can add up to, in bytes.
const MAX_DATAGRAM: usize = 65_535;

/// What rules and the flow hash look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Ports of TCP, UDP and SCTP; `None` for other protocols and for later fragments.
    pub ports: Option<Ports>,
    /// Protocol of the transport header, behind all extension headers.
    pub protocol: u8,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// VLAN identifier, 0 to 4095: of the outer tag, or of the inner one where the outer is a
    /// priority tag (identifier 0).
    pub vlan: Option<u16>,
    /// TCP flags, FIN in the lowest bit.
    pub tcp_flags: Option<u8>,
    /// Type of an ICMP or `ICMPv6` message.
    pub icmp_type: Option<u8>,
    /// Place in a fragmented datagram.
    pub fragment: Fragment,
}

impl Headers {
    /// Whether the packet is a fragment, first or later.
    #[inline(always)]
    pub fn is_fragment(&self) -> bool {
        self.fragment != Fragment::Whole
    }
}

/// The ports of a transport header, in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
}

/// Why a frame is not classified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Neither IPv4 nor IPv6.
    NotIp,
    /// IPv6 neighbour discovery, which belongs to the stack alone.
    NeighborDiscovery,
    /// A header does not fit into the frame, or not into the IP packet around it.
    Truncated,
    /// The version in the IP header is not the one of the `EtherType`.
    BadVersion,
    /// A header states a length below its own minimum.
    BadHeaderLength,
    /// The IP or UDP length contradicts the headers or exceeds the frame.
    BadTotalLength,
    /// More extension headers than [`MAX_EXTENSION_HEADERS`].
    TooManyExtensionHeaders,
    /// A fragment that hides the transport header or ends beyond 65,535 bytes.
    BadFragment,
    /// An IPv6 packet with an IPv4-mapped address.
    BadAddress,
    /// Behind more than two VLAN tags.
    TooManyVlanTags,
}

impl ParseError {
    /// The outcome of a frame with this error, where malformed packets are dropped.
    #[inline(always)]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::NotIp => Outcome::NotIp,
            Self::NeighborDiscovery => Outcome::NeighborDiscovery,
            Self::Truncated => Outcome::Truncated,
            Self::BadVersion => Outcome::BadVersion,
            Self::BadHeaderLength => Outcome::BadHeaderLength,
            Self::BadTotalLength => Outcome::BadTotalLength,
            Self::TooManyExtensionHeaders => Outcome::TooManyExtensionHeaders,
            Self::BadFragment => Outcome::BadFragment,
            Self::BadAddress => Outcome::BadAddress,
            Self::TooManyVlanTags => Outcome::TooManyVlanTags,
        }
    }
}

/// The network layer, before its payload is looked at.
#[derive(Clone, Copy)]
struct Network {
    source: Address,
    destination: Address,
    dscp: u8,
    /// Protocol of the payload.
    protocol: u8,
    fragment: Fragment,
    /// Where the payload begins in the frame.
    payload_offset: usize,
    /// Bytes of the payload according to the IP header; they lie within the frame.
    payload_length: usize,
    /// Hop limit of an IPv6 packet; `None` for IPv4.
    hop_limit: Option<u8>,
}

/// Parses a whole frame.
///
/// # Errors
/// Says why the frame can't be classified; [`ParseError::outcome`] says what becomes of it.
#[inline(always)]
pub fn parse<P: PacketBytes + ?Sized>(packet: &P) -> Result<Headers, ParseError> {
    let link = ethernet::parse(packet)?;
    let network = match link.ether_type {
        ethernet::IPV4 => ipv4::parse(packet, link.payload_offset)?,
        ethernet::IPV6 => ipv6::parse(packet, link.payload_offset)?,
        _ => return Err(ParseError::NotIp),
    };
    let transport = transport::parse(packet, &network)?;
    Ok(Headers {
        source: network.source,
        destination: network.destination,
        ports: ports(&transport),
        protocol: network.protocol,
        dscp: network.dscp,
        vlan: u16::try_from(link.vlan)
            .ok()
            .filter(|_| link.vlan != UNTAGGED),
        // The numbers for "no such header" are the first that do not fit.
        tcp_flags: u8::try_from(transport.tcp_flags).ok(),
        icmp_type: u8::try_from(transport.icmp_type).ok(),
        fragment: network.fragment,
    })
}

/// The ports; [`stormbolt_common::classifier::NO_PORT`] is the first number that does not fit.
#[inline(always)]
fn ports(transport: &transport::Transport) -> Option<Ports> {
    match (
        u16::try_from(transport.source_port),
        u16::try_from(transport.destination_port),
    ) {
        (Ok(source), Ok(destination)) => Some(Ports {
            source,
            destination,
        }),
        _ => None,
    }
}
