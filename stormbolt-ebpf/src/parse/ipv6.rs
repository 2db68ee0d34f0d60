//! IPv6 (RFC 8200) and a bounded chain of its extension headers.

use stormbolt_common::classifier::Fragment;

use super::{AddressWords, IPV4_MARK, MAX_DATAGRAM, Network, ParseError, protocol, words};
use crate::packet::PacketBytes;

/// Extension headers that are followed. RFC 8200 section 4.1 names seven in order; a chain beyond
/// eight is an attack on parsers (RFC 8504 section 5.3 lets hosts limit it to eight).
pub const MAX_EXTENSION_HEADERS: usize = 8;

const HEADER_LENGTH: usize = 40;

/// Reads the IPv6 header at `offset` and the extension headers behind it.
#[inline(always)]
pub(super) fn parse<P: PacketBytes + ?Sized>(
    packet: &P,
    offset: usize,
) -> Result<Network, ParseError> {
    let [
        version_high,
        version_low,
        _,
        _,
        length_high,
        length_low,
        next,
        hop_limit,
    ] = packet.bytes_at::<8>(offset).ok_or(ParseError::Truncated)?;
    if version_high >> 4 != 6 {
        return Err(ParseError::BadVersion);
    }
    let address = |offset| packet.bytes_at::<16>(offset).map(words);
    let source = address(offset + 8).ok_or(ParseError::Truncated)?;
    let destination = address(offset + 24).ok_or(ParseError::Truncated)?;
    if is_ipv4_mapped(&source) || is_ipv4_mapped(&destination) {
        return Err(ParseError::BadAddress);
    }
    let payload_length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let payload_offset = offset + HEADER_LENGTH;
    if payload_offset + payload_length > packet.length() {
        return Err(ParseError::BadTotalLength);
    }
    let chain = Chain {
        next,
        offset: payload_offset,
        left: payload_length,
        fragment: Fragment::Whole,
    }
    .follow(packet)?;
    Ok(Network {
        source,
        destination,
        dscp: (version_high << 2 | version_low >> 6) & 0x3f,
        protocol: chain.next,
        fragment: chain.fragment,
        payload_offset: chain.offset,
        payload_length: chain.left,
        hop_limit: Some(hop_limit),
    })
}

/// A position in the chain of extension headers.
#[derive(Clone, Copy)]
struct Chain {
    /// Protocol of the header at `offset`.
    next: u8,
    offset: usize,
    /// Bytes of the packet from `offset` on.
    left: usize,
    fragment: Fragment,
}

impl Chain {
    /// Follows the chain to its end: a transport header, or a later fragment, whose payload is not
    /// a header.
    #[inline(always)]
    fn follow<P: PacketBytes + ?Sized>(mut self, packet: &P) -> Result<Self, ParseError> {
        for _ in 0..MAX_EXTENSION_HEADERS {
            if !protocol::is_extension(self.next) || self.fragment == Fragment::Later {
                return Ok(self);
            }
            self.step(packet)?;
        }
        if protocol::is_extension(self.next) && self.fragment != Fragment::Later {
            return Err(ParseError::TooManyExtensionHeaders);
        }
        Ok(self)
    }

    #[inline(always)]
    fn step<P: PacketBytes + ?Sized>(&mut self, packet: &P) -> Result<(), ParseError> {
        // Every extension header has at least eight bytes.
        let [next, length, offset_high, offset_low, ..] =
            packet.bytes_at::<8>(self.offset).ok_or(self.missing())?;
        let header_length = match self.next {
            protocol::FRAGMENT => 8,
            protocol::AUTHENTICATION => usize::from(length) * 4 + 8,
            _ => usize::from(length) * 8 + 8,
        };
        if header_length > self.left {
            return Err(self.missing());
        }
        let is_fragment = self.next == protocol::FRAGMENT;
        self.next = next;
        self.offset += header_length;
        self.left -= header_length;
        if is_fragment {
            self.enter_fragment(u16::from_be_bytes([offset_high, offset_low]))?;
        }
        Ok(())
    }

    /// Takes note of a fragment header. An atomic fragment, first and last in one, is a whole
    /// packet (RFC 6946).
    #[inline(always)]
    fn enter_fragment(&mut self, field: u16) -> Result<(), ParseError> {
        if self.fragment != Fragment::Whole {
            return Err(ParseError::BadFragment);
        }
        let first_byte = usize::from(field & 0xfff8);
        let more = field & 1 != 0;
        if first_byte + self.left > MAX_DATAGRAM {
            return Err(ParseError::BadFragment);
        }
        self.fragment = match (first_byte, more) {
            (0, false) => Fragment::Whole,
            (0, true) => Fragment::First,
            (_, _) => Fragment::Later,
        };
        Ok(())
    }

    /// The error for headers that end early: a first fragment must hold all of them (RFC 7112).
    #[inline(always)]
    fn missing(&self) -> ParseError {
        match self.fragment {
            Fragment::First => ParseError::BadFragment,
            Fragment::Whole | Fragment::Later => ParseError::Truncated,
        }
    }
}

/// Whether an address is `::ffff:a.b.c.d`, the form in which all tables hold IPv4.
#[inline(always)]
pub(super) const fn is_ipv4_mapped(address: &AddressWords) -> bool {
    matches!(address, [0, 0, IPV4_MARK, _])
}
