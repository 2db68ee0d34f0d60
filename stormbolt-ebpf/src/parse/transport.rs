//! The transport header: ports, TCP flags, ICMP type.

use stormbolt_common::classifier::{Fragment, NO_PORT, NOT_ICMP, NOT_TCP};

use super::{Network, ParseError, protocol};
use crate::packet::PacketBytes;

const TCP_MIN_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const SCTP_HEADER: usize = 12;
const ICMP_HEADER: usize = 8;
/// Hop limit of genuine neighbour discovery: it never crosses a router (RFC 4861 section 6.1).
const ON_LINK_HOP_LIMIT: u8 = 255;

/// What the transport header adds to the network's, in the numbers of the classifier's tables, which
/// have one for "no such header".
///
/// Plain numbers and no `Option`: the payload of a `None` is undefined, the compiler then leaves in
/// its register whatever was there, and the verifier rejects a program that does arithmetic on what
/// happens to be a packet pointer.
#[derive(Clone, Copy)]
pub(super) struct Transport {
    pub(super) source_port: u32,
    pub(super) destination_port: u32,
    pub(super) tcp_flags: u32,
    pub(super) icmp_type: u32,
}

/// No transport header, or none that is looked into.
const NONE: Transport = Transport {
    source_port: NO_PORT,
    destination_port: NO_PORT,
    tcp_flags: NOT_TCP,
    icmp_type: NOT_ICMP,
};

#[inline(always)]
pub(super) fn parse<P: PacketBytes + ?Sized>(
    packet: &P,
    network: &Network,
) -> Result<Transport, ParseError> {
    if network.fragment == Fragment::Later {
        return Ok(NONE);
    }
    match network.protocol {
        protocol::TCP => tcp(packet, network),
        protocol::UDP => udp(packet, network),
        protocol::SCTP => sctp(packet, network),
        protocol::ICMP | protocol::ICMPV6 => icmp(packet, network),
        _ => Ok(NONE),
    }
}

#[inline(always)]
fn tcp<P: PacketBytes + ?Sized>(packet: &P, network: &Network) -> Result<Transport, ParseError> {
    let [s0, s1, d0, d1, _, _, _, _, _, _, _, _, words, flags, ..] =
        header::<P, TCP_MIN_HEADER>(packet, network)?;
    let header_length = usize::from(words >> 4) * 4;
    if header_length < TCP_MIN_HEADER {
        return Err(ParseError::BadHeaderLength);
    }
    if header_length > network.payload_length {
        return Err(missing(network));
    }
    Ok(Transport {
        tcp_flags: u32::from(flags),
        ..with_ports([s0, s1, d0, d1])
    })
}

#[inline(always)]
fn udp<P: PacketBytes + ?Sized>(packet: &P, network: &Network) -> Result<Transport, ParseError> {
    let [s0, s1, d0, d1, length_high, length_low, ..] = header::<P, UDP_HEADER>(packet, network)?;
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    // A first fragment carries the length of the whole datagram. Zero stands for a jumbogram's
    // length in IPv6 (RFC 2675 section 4) and for nothing in IPv4.
    let room = match network.fragment {
        Fragment::Whole => network.payload_length,
        Fragment::First | Fragment::Later => usize::from(u16::MAX),
    };
    let jumbo = length == 0 && network.hop_limit.is_some();
    if (length < UDP_HEADER && !jumbo) || length > room {
        return Err(ParseError::BadTotalLength);
    }
    Ok(with_ports([s0, s1, d0, d1]))
}

#[inline(always)]
fn sctp<P: PacketBytes + ?Sized>(packet: &P, network: &Network) -> Result<Transport, ParseError> {
    let [s0, s1, d0, d1, ..] = header::<P, SCTP_HEADER>(packet, network)?;
    Ok(with_ports([s0, s1, d0, d1]))
}

#[inline(always)]
fn icmp<P: PacketBytes + ?Sized>(packet: &P, network: &Network) -> Result<Transport, ParseError> {
    let [icmp_type, ..] = header::<P, ICMP_HEADER>(packet, network)?;
    let is_discovery = network.protocol == protocol::ICMPV6
        && matches!(icmp_type, 133..=137)
        && network.hop_limit == Some(ON_LINK_HOP_LIMIT)
        && network.fragment == Fragment::Whole;
    if is_discovery {
        return Err(ParseError::NeighborDiscovery);
    }
    Ok(Transport {
        icmp_type: u32::from(icmp_type),
        ..NONE
    })
}

/// The first `N` bytes of the transport header, which must lie within the IP packet: padding behind
/// it is not ours to read.
#[inline(always)]
fn header<P: PacketBytes + ?Sized, const N: usize>(
    packet: &P,
    network: &Network,
) -> Result<[u8; N], ParseError> {
    if network.payload_length < N {
        return Err(missing(network));
    }
    packet
        .bytes_at(network.payload_offset)
        .ok_or(missing(network))
}

/// The error for a transport header that ends early: a first fragment must hold all of it, or
/// later fragments bring in what no filter has seen (RFC 1858, RFC 7112).
#[inline(always)]
fn missing(network: &Network) -> ParseError {
    match network.fragment {
        Fragment::First => ParseError::BadFragment,
        Fragment::Whole | Fragment::Later => ParseError::Truncated,
    }
}

/// A transport header of which only the ports are of interest.
#[inline(always)]
fn with_ports(bytes: [u8; 4]) -> Transport {
    let [s0, s1, d0, d1] = bytes;
    Transport {
        source_port: u32::from(u16::from_be_bytes([s0, s1])),
        destination_port: u32::from(u16::from_be_bytes([d0, d1])),
        ..NONE
    }
}
