//! The headers of most packets, read at once: TCP or UDP in IP without tags, options, extension headers
//! and fragments.
//!
//! What they say is what [`super::parse_values`] would say, in fewer steps. `None` means another
//! packet, or that there is something wrong with it.

use stormbolt_common::classifier::{Fragment, NOT_ICMP, NOT_TCP, UNTAGGED};

use super::{AddressWords, HeaderValues, IPV4_MARK, ethernet, ipv6, offsets, protocol, words};
use crate::packet::PacketBytes;

const ETHERNET_HEADER: usize = 14;
/// Version 4, five words.
const IPV4_WITHOUT_OPTIONS: u8 = 0x45;
/// Both that more fragments follow and where in the datagram this one lies.
const FRAGMENTED: u16 = 0x3fff;
const IPV4_HEADER: u16 = 20;
const IPV6_HEADER: usize = 40;
/// Where the headers behind Ethernet and IPv4 begin.
const BEHIND_IPV4: usize = 34;
/// Where the headers behind Ethernet and IPv6 begin.
const BEHIND_IPV6: usize = 54;

/// The headers of a plain IPv4 packet.
#[inline(always)]
pub fn parse_plain_ipv4<P: PacketBytes + ?Sized>(packet: &P) -> Option<HeaderValues> {
    let [
        type_high,
        type_low,
        version_and_words,
        traffic_class,
        length_high,
        length_low,
        _,
        _,
        fragment_high,
        fragment_low,
        _,
        protocol,
        _,
        _,
        ..,
    ] = packet.bytes_at::<22>(ETHERNET_HEADER - 2)?;
    let address = |offset| packet.bytes_at::<4>(offset).map(u32::from_be_bytes);
    let source = address(ETHERNET_HEADER + 12)?;
    let destination = address(ETHERNET_HEADER + 16)?;
    let ether_type = u16::from_be_bytes([type_high, type_low]);
    let fragment = u16::from_be_bytes([fragment_high, fragment_low]) & FRAGMENTED;
    let is_whole = version_and_words == IPV4_WITHOUT_OPTIONS && fragment == 0;
    if ether_type != ethernet::IPV4 || !is_whole {
        return None;
    }
    let total_length = u16::from_be_bytes([length_high, length_low]);
    if ETHERNET_HEADER + usize::from(total_length) > packet.length() {
        return None;
    }
    let room = total_length.checked_sub(IPV4_HEADER)?;
    Some(HeaderValues {
        source: [0, 0, IPV4_MARK, source],
        destination: [0, 0, IPV4_MARK, destination],
        dscp: traffic_class >> 2,
        ..transport(packet, BEHIND_IPV4, protocol, room)?
    })
}

/// The headers of a plain IPv6 packet.
#[inline(always)]
pub fn parse_plain_ipv6<P: PacketBytes + ?Sized>(packet: &P) -> Option<HeaderValues> {
    let [
        type_high,
        type_low,
        version_high,
        version_low,
        _,
        _,
        length_high,
        length_low,
        next,
        _,
    ] = packet.bytes_at::<10>(ETHERNET_HEADER - 2)?;
    let ether_type = u16::from_be_bytes([type_high, type_low]);
    if ether_type != ethernet::IPV6 || version_high >> 4 != 6 {
        return None;
    }
    let address = |offset| packet.bytes_at::<16>(offset).map(words);
    let source: AddressWords = address(ETHERNET_HEADER + 8)?;
    let destination: AddressWords = address(ETHERNET_HEADER + 24)?;
    if ipv6::is_ipv4_mapped(&source) || ipv6::is_ipv4_mapped(&destination) {
        return None;
    }
    let room = u16::from_be_bytes([length_high, length_low]);
    if ETHERNET_HEADER + IPV6_HEADER + usize::from(room) > packet.length() {
        return None;
    }
    Some(HeaderValues {
        source,
        destination,
        dscp: (version_high << 2 | version_low >> 6) & 0x3f,
        ..transport(packet, BEHIND_IPV6, next, room)?
    })
}

/// What the transport header at `offset` says, in a packet that has `room` bytes for it and its payload.
/// The other values are of no address.
#[inline(always)]
fn transport<P: PacketBytes + ?Sized>(
    packet: &P,
    offset: usize,
    protocol: u8,
    room: u16,
) -> Option<HeaderValues> {
    // All eight bytes are there, and are not read as one word: who has just written the ports may have
    // written them apart, and then one read of both words waits until both are in the cache.
    let _ = packet.bytes_at::<8>(offset)?;
    let [s0, s1, d0, d1] = packet.bytes_at::<4>(offset)?;
    let (header_length, within, tcp_flags) = match protocol {
        protocol::UDP => {
            let length = packet.bytes_at::<2>(offset + 4)?;
            (8, u16::from_be_bytes(length), NOT_TCP)
        }
        protocol::TCP => {
            let [words, flags] = packet.bytes_at::<2>(offset + 12)?;
            (20, u16::from(words >> 4) * 4, u32::from(flags))
        }
        _ => return None,
    };
    if within < header_length || within > room {
        return None;
    }
    Some(HeaderValues {
        source: [0; 4],
        destination: [0; 4],
        source_port: u32::from(u16::from_be_bytes([s0, s1])),
        destination_port: u32::from(u16::from_be_bytes([d0, d1])),
        protocol,
        dscp: 0,
        vlan: UNTAGGED,
        tcp_flags,
        icmp_type: NOT_ICMP,
        fragment: Fragment::Whole,
        offsets: offsets(ETHERNET_HEADER, offset),
    })
}
