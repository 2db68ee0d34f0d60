//! IPv4 (RFC 791).

use stormbolt_common::classifier::Fragment;

use super::{IPV4_MARK, MAX_DATAGRAM, Network, ParseError, protocol};
use crate::packet::PacketBytes;

const MIN_HEADER_WORDS: u8 = 5;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Reads the IPv4 header at `offset`. Options are skipped.
#[inline(always)]
pub(super) fn parse<P: PacketBytes + ?Sized>(
    packet: &P,
    offset: usize,
) -> Result<Network, ParseError> {
    let header = packet.bytes_at::<20>(offset).ok_or(ParseError::Truncated)?;
    let [
        version_and_words,
        traffic_class,
        length_high,
        length_low,
        _,
        _,
        fragment_high,
        fragment_low,
        _ttl,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ] = header;
    if version_and_words >> 4 != 4 {
        return Err(ParseError::BadVersion);
    }
    let header_words = version_and_words & 0x0f;
    if header_words < MIN_HEADER_WORDS {
        return Err(ParseError::BadHeaderLength);
    }
    let header_length = usize::from(header_words) * 4;
    let total_length = usize::from(u16::from_be_bytes([length_high, length_low]));
    if offset + header_length > packet.length() {
        return Err(ParseError::Truncated);
    }
    if total_length < header_length || offset + total_length > packet.length() {
        return Err(ParseError::BadTotalLength);
    }
    let payload_length = total_length - header_length;
    let fragment = fragment(
        u16::from_be_bytes([fragment_high, fragment_low]),
        protocol,
        header_length,
        payload_length,
    )?;
    Ok(Network {
        source: [0, 0, IPV4_MARK, u32::from_be_bytes([s0, s1, s2, s3])],
        destination: [0, 0, IPV4_MARK, u32::from_be_bytes([d0, d1, d2, d3])],
        dscp: traffic_class >> 2,
        protocol,
        fragment,
        payload_offset: offset + header_length,
        payload_length,
        hop_limit: None,
    })
}

#[inline(always)]
fn fragment(
    field: u16,
    protocol: u8,
    header_length: usize,
    payload_length: usize,
) -> Result<Fragment, ParseError> {
    let first_byte = usize::from(field & FRAGMENT_OFFSET) * 8;
    if first_byte == 0 {
        let more = field & MORE_FRAGMENTS != 0;
        return Ok(if more {
            Fragment::First
        } else {
            Fragment::Whole
        });
    }
    // A second fragment that begins inside the TCP header overwrites the flags which a filter has
    // just judged (RFC 1858 section 3.2).
    let overwrites_tcp = protocol == protocol::TCP && first_byte == 8;
    if overwrites_tcp || header_length + first_byte + payload_length > MAX_DATAGRAM {
        return Err(ParseError::BadFragment);
    }
    Ok(Fragment::Later)
}
