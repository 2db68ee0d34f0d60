//! Parses a frame's headers: Ethernet, VLAN tags, IP, extension headers, transport.
//!
//! No length field is trusted: each is held against the frame and against the length of the header
//! around it. What is not IP is told apart from IP that is malformed.

mod ethernet;
mod ipv4;
mod ipv6;
mod plain;
mod transport;

pub use ipv6::MAX_EXTENSION_HEADERS;
pub use plain::{parse_plain_ipv4, parse_plain_ipv6};

use stormbolt_common::Address;
use stormbolt_common::classifier::{Fragment, NO_PORT, NOT_ICMP, NOT_TCP, UNTAGGED};
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

    /// Whether this is an extension header of IPv6, which another header follows (IANA, IPv6 extension
    /// header types).
    #[inline(always)]
    pub const fn is_extension(number: u8) -> bool {
        matches!(
            number,
            HOP_BY_HOP
                | ROUTING
                | FRAGMENT
                | AUTHENTICATION
                | DESTINATION_OPTIONS
                | MOBILITY
                | HIP
                | SHIM6
        )
    }
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

/// An address as words of 32 bits, the highest first.
pub type AddressWords = [u32; 4];

/// Third word of an IPv4 address in the form in which both families share one space (RFC 4291
/// section 2.5.5.2); the two before it are zero.
pub const IPV4_MARK: u32 = 0xffff;

/// The words of an address.
#[inline(always)]
pub const fn words(address: Address) -> AddressWords {
    let [
        a0,
        a1,
        a2,
        a3,
        b0,
        b1,
        b2,
        b3,
        c0,
        c1,
        c2,
        c3,
        d0,
        d1,
        d2,
        d3,
    ] = address;
    [
        u32::from_be_bytes([a0, a1, a2, a3]),
        u32::from_be_bytes([b0, b1, b2, b3]),
        u32::from_be_bytes([c0, c1, c2, c3]),
        u32::from_be_bytes([d0, d1, d2, d3]),
    ]
}

/// What [`Headers`] says, in numbers as the classifier's lanes have them, each with one for "no such
/// header".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderValues {
    /// Source address.
    pub source: AddressWords,
    /// Destination address.
    pub destination: AddressWords,
    /// Source port, or [`NO_PORT`].
    pub source_port: u32,
    /// Destination port, or [`NO_PORT`].
    pub destination_port: u32,
    /// Protocol of the transport header.
    pub protocol: u8,
    /// Differentiated services code point.
    pub dscp: u8,
    /// VLAN identifier, or [`UNTAGGED`].
    pub vlan: u32,
    /// TCP flags, or [`NOT_TCP`].
    pub tcp_flags: u32,
    /// Type of an ICMP or `ICMPv6` message, or [`NOT_ICMP`].
    pub icmp_type: u32,
    /// Place in a fragmented datagram.
    pub fragment: Fragment,
    /// Where the headers begin in the frame: [`offsets`].
    pub offsets: u32,
}

/// Where the IP header begins, and behind it the transport header, in the form of the lane.
#[inline(always)]
pub(crate) fn offsets(network: usize, transport: usize) -> u32 {
    // No header that is parsed begins at 2^16 or beyond.
    let offset = |at: usize| u32::try_from(at & 0xffff).unwrap_or(0);
    offset(network) | offset(transport) << 16
}

impl From<&Headers> for HeaderValues {
    fn from(headers: &Headers) -> Self {
        let port =
            |port: fn(Ports) -> u16| headers.ports.map_or(NO_PORT, |ports| port(ports).into());
        Self {
            source: words(headers.source),
            destination: words(headers.destination),
            source_port: port(|ports| ports.source),
            destination_port: port(|ports| ports.destination),
            protocol: headers.protocol,
            dscp: headers.dscp,
            vlan: headers.vlan.map_or(UNTAGGED, u32::from),
            tcp_flags: headers.tcp_flags.map_or(NOT_TCP, u32::from),
            icmp_type: headers.icmp_type.map_or(NOT_ICMP, u32::from),
            fragment: headers.fragment,
            // Not known any more.
            offsets: 0,
        }
    }
}

impl From<&HeaderValues> for Headers {
    fn from(values: &HeaderValues) -> Self {
        let bytes = |[a, b, c, d]: AddressWords| {
            let join = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
            let address = u128::from(join(a, b)) << 64 | u128::from(join(c, d));
            address.to_be_bytes()
        };
        let ports = (
            u16::try_from(values.source_port),
            u16::try_from(values.destination_port),
        );
        Self {
            source: bytes(values.source),
            destination: bytes(values.destination),
            ports: match ports {
                (Ok(source), Ok(destination)) => Some(Ports {
                    source,
                    destination,
                }),
                _ => None,
            },
            protocol: values.protocol,
            dscp: values.dscp,
            vlan: u16::try_from(values.vlan)
                .ok()
                .filter(|_| values.vlan != UNTAGGED),
            // The numbers for "no such header" are the first that do not fit.
            tcp_flags: u8::try_from(values.tcp_flags).ok(),
            icmp_type: u8::try_from(values.icmp_type).ok(),
            fragment: values.fragment,
        }
    }
}

/// The network layer, before its payload is looked at.
#[derive(Clone, Copy)]
struct Network {
    source: AddressWords,
    destination: AddressWords,
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
pub fn parse<P: PacketBytes + ?Sized>(packet: &P) -> Result<Headers, ParseError> {
    parse_values(packet).map(|values| Headers::from(&values))
}

/// Parses a whole frame into plain numbers, which cost the verifier less than what may be missing.
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub fn parse_values<P: PacketBytes + ?Sized>(packet: &P) -> Result<HeaderValues, ParseError> {
    let link = ethernet::parse(packet)?;
    let network = match link.ether_type {
        ethernet::IPV4 => ipv4::parse(packet, link.payload_offset)?,
        ethernet::IPV6 => ipv6::parse(packet, link.payload_offset)?,
        _ => return Err(ParseError::NotIp),
    };
    let transport = transport::parse(packet, &network)?;
    Ok(HeaderValues {
        source: network.source,
        destination: network.destination,
        source_port: transport.source_port,
        destination_port: transport.destination_port,
        protocol: network.protocol,
        dscp: network.dscp,
        vlan: link.vlan,
        tcp_flags: transport.tcp_flags,
        icmp_type: transport.icmp_type,
        fragment: network.fragment,
        offsets: offsets(link.payload_offset, network.payload_offset),
    })
}
