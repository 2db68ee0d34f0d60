//! Changes what a packet's IP header says of its traffic class: the code point (RFC 2474) and the mark of
//! congestion (RFC 3168). Checksums stay right.

use crate::packet::Frame;

/// The two lowest bits of the traffic class.
const ECN: u8 = 0b11;
/// Both of them set: congestion was met.
const CONGESTION: u8 = 0b11;
/// Where the checksum stands in an IPv4 header.
const IPV4_CHECKSUM: usize = 10;

/// Whether the sender of the packet whose IP header is at `offset` understands marks (RFC 3168 section 5:
/// ECT(0), ECT(1), or marked already).
#[inline(always)]
pub fn is_ecn_capable<F: Frame + ?Sized>(frame: &F, offset: usize) -> bool {
    match frame.bytes_at::<2>(offset) {
        Some(start) => traffic_class(start) & ECN != 0,
        None => false,
    }
}

/// Marks the packet whose IP header is at `offset`.
#[inline(always)]
pub fn mark_congestion<F: Frame + ?Sized>(frame: &F, offset: usize) {
    change(frame, offset, !CONGESTION, CONGESTION);
}

/// Gives the packet whose IP header is at `offset` another code point.
#[inline(always)]
pub fn set_dscp<F: Frame + ?Sized>(frame: &F, offset: usize, dscp: u8) {
    change(frame, offset, ECN, dscp << 2);
}

/// The traffic class in the first two bytes of an IP header of either version.
#[inline(always)]
const fn traffic_class([first, second]: [u8; 2]) -> u8 {
    if first >> 4 == 4 {
        second
    } else {
        first << 4 | second >> 4
    }
}

/// Keeps the bits `kept` of the traffic class and sets those in `set`.
#[inline(always)]
fn change<F: Frame + ?Sized>(frame: &F, offset: usize, kept: u8, set: u8) {
    let Some(old @ [first, second]) = frame.bytes_at::<2>(offset) else {
        return;
    };
    let class = traffic_class(old) & kept | set;
    if first >> 4 != 4 {
        let changed = [first & 0xf0 | class >> 4, second & 0x0f | class << 4];
        frame.write_at(offset, changed);
        return;
    }
    let Some(checksum) = frame.bytes_at::<2>(offset + IPV4_CHECKSUM) else {
        return;
    };
    let new = [first, class];
    let checksum = updated(checksum, old, new);
    frame.write_at(offset, new);
    frame.write_at(offset + IPV4_CHECKSUM, checksum);
}

/// The checksum of a header in which a word was replaced (RFC 1624, equation 3).
#[inline(always)]
fn updated(checksum: [u8; 2], old: [u8; 2], new: [u8; 2]) -> [u8; 2] {
    let word = |bytes: [u8; 2]| u32::from(u16::from_be_bytes(bytes));
    let sum = (word(checksum) ^ 0xffff) + (word(old) ^ 0xffff) + word(new);
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    let [_, _, high, low] = (folded ^ 0xffff).to_be_bytes();
    [high, low]
}
