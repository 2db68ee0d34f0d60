//! Frames: one template per IP version, and headers as the words that are written into it.
//!
//! Every transport protocol is well-formed in the same bytes: the ports are the first four bytes
//! (ICMP: type, code and checksum), bytes 4 and 5 are UDP's length and lie in TCP's sequence
//! number, bytes 12 and 13 are TCP's header length and flags.

use std::net::{IpAddr, SocketAddrV4};

use stormbolt_common::bench::{
    FRAME_BYTES_V4, FRAME_BYTES_V6, HeaderV4, HeaderV6, IP_OFFSET, PROTOCOL_OFFSET_V4,
};
use xtask::rulesets::{Header, IpVersion};

/// Bytes from the transport header on.
const TRANSPORT_BYTES: u8 = 30;
const TRANSPORT: usize = 30;
const _: () = assert!(
    FRAME_BYTES_V4 == IP_OFFSET + 20 + TRANSPORT && FRAME_BYTES_V6 == IP_OFFSET + 40 + TRANSPORT
);

/// UDP's number.
const UDP: u8 = 17;
/// ICMP's and ICMPv6's number, and what their packets are here: echo requests.
const ICMP: (u8, u8) = (1, 8);
const ICMPV6: (u8, u8) = (58, 128);

/// The frame that headers are written into.
pub fn template(version: IpVersion) -> Vec<u8> {
    let (ether_type, ip_header) = match version {
        IpVersion::V4 => {
            let mut header = vec![0; 20];
            header.splice(..9, [0x45, 0, 0, 20 + TRANSPORT_BYTES, 0, 0, 0, 0, 64]);
            ([0x08, 0x00], header)
        }
        IpVersion::V6 => {
            let mut header = vec![0; 40];
            header.splice(..8, [0x60, 0, 0, 0, 0, TRANSPORT_BYTES, 0, 64]);
            ([0x86, 0xdd], header)
        }
    };
    let mut transport = [0; TRANSPORT];
    transport[5] = TRANSPORT_BYTES;
    transport[12] = 0x50;
    transport[13] = 0x10;
    let addresses = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    [&addresses[..], &ether_type, &ip_header, &transport].concat()
}

/// Where the source port stands in a frame without options.
pub const SOURCE_PORT: u32 = 34;

/// A UDP frame with all that a host looks at before it takes it in; without a UDP checksum (RFC 768).
pub fn udp_frame(
    to: [u8; 6],
    from: [u8; 6],
    source: SocketAddrV4,
    destination: SocketAddrV4,
) -> Vec<u8> {
    let template = template(IpVersion::V4);
    let (before, rest) = template.split_at(PROTOCOL_OFFSET_V4);
    let (ip_header, checksum_offset) = (before.get(IP_OFFSET..).unwrap_or_default(), 2);
    let addresses = [source.ip().octets(), destination.ip().octets()].concat();
    let ports = [
        source.port().to_be_bytes(),
        destination.port().to_be_bytes(),
    ]
    .concat();
    let checksum = internet_checksum(&[ip_header, &[UDP], &addresses].concat());
    let after = rest.get(1 + checksum_offset + addresses.len() + ports.len()..);
    [
        &to[..],
        &from,
        before.get(2 * to.len()..).unwrap_or_default(),
        &[UDP],
        &checksum,
        &addresses,
        &ports,
        after.unwrap_or_default(),
    ]
    .concat()
}

/// RFC 1071, over a header without its checksum.
fn internet_checksum(header: &[u8]) -> [u8; 2] {
    let words = header.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap_or(0)).to_be_bytes()
}

/// What the front writes for an IPv4 header; none for another version.
pub fn header_v4(header: &Header) -> Option<HeaderV4> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (header.source, header.destination) else {
        return None;
    };
    let bytes = source.octets().into_iter().chain(destination.octets());
    words(bytes, header)
}

/// What the front writes for an IPv6 header; none for another version.
pub fn header_v6(header: &Header) -> Option<HeaderV6> {
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (header.source, header.destination) else {
        return None;
    };
    let bytes = source.octets().into_iter().chain(destination.octets());
    words(bytes, header)
}

/// The addresses, then ports and protocol, as words that have these bytes in memory.
fn words<const N: usize>(addresses: impl Iterator<Item = u8>, header: &Header) -> Option<[u32; N]> {
    let [source_high, source_low] = header.source_port.to_be_bytes();
    let [destination_high, destination_low] = header.destination_port.to_be_bytes();
    let protocol = header.protocol;
    let ports = match [ICMP, ICMPV6]
        .iter()
        .find(|(number, _)| *number == protocol)
    {
        Some(&(_, echo_request)) => [echo_request, 0, 0, 0],
        None => [source_high, source_low, destination_high, destination_low],
    };
    let bytes = addresses.chain(ports).chain([protocol, 0, 0, 0]);
    let bytes: Vec<u8> = bytes.collect();
    let words: Vec<u32> = bytes
        .chunks_exact(4)
        .filter_map(|word| Some(u32::from_ne_bytes(word.try_into().ok()?)))
        .collect();
    words.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormbolt_common::bench::{PROTOCOL_OFFSET_V6, SOURCE_OFFSET_V4, SOURCE_OFFSET_V6};

    fn header(source: &str, destination: &str, protocol: u8) -> Header {
        Header {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            source_port: 0x1234,
            destination_port: 0x5678,
            protocol,
        }
    }

    /// The frame as the front leaves it.
    fn frame(version: IpVersion, words: &[u32]) -> Vec<u8> {
        let (source, protocol) = match version {
            IpVersion::V4 => (SOURCE_OFFSET_V4, PROTOCOL_OFFSET_V4),
            IpVersion::V6 => (SOURCE_OFFSET_V6, PROTOCOL_OFFSET_V6),
        };
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let (fields, rest) = bytes.split_at(bytes.len() - 4);
        let mut frame = template(version);
        frame[source..source + fields.len()].copy_from_slice(fields);
        frame[protocol] = rest[0];
        frame
    }

    #[test]
    fn an_ipv4_frame_carries_the_header_in_the_right_places() {
        let words = header_v4(&header("192.0.2.1", "198.51.100.2", 6)).unwrap();
        let frame = frame(IpVersion::V4, &words);
        assert_eq!(frame.len(), FRAME_BYTES_V4);
        assert_eq!(frame[12..15], [0x08, 0x00, 0x45]);
        assert_eq!(usize::from(frame[17]), FRAME_BYTES_V4 - IP_OFFSET);
        assert_eq!(frame[23], 6);
        assert_eq!(frame[26..34], [192, 0, 2, 1, 198, 51, 100, 2]);
        assert_eq!(frame[34..38], [0x12, 0x34, 0x56, 0x78]);
        assert_eq!(frame[46..48], [0x50, 0x10]);
    }

    #[test]
    fn an_ipv6_frame_carries_the_header_in_the_right_places() {
        let words = header_v6(&header("2001:db8::1", "2001:db8::2", 17)).unwrap();
        let frame = frame(IpVersion::V6, &words);
        assert_eq!(frame.len(), FRAME_BYTES_V6);
        assert_eq!(frame[12..15], [0x86, 0xdd, 0x60]);
        assert_eq!(usize::from(frame[19]), FRAME_BYTES_V6 - IP_OFFSET - 40);
        assert_eq!(frame[20], 17);
        assert_eq!((frame[22], frame[37], frame[53]), (0x20, 1, 2));
        assert_eq!(frame[54..58], [0x12, 0x34, 0x56, 0x78]);
        assert_eq!(frame[58..60], [0, TRANSPORT_BYTES]);
    }

    #[test]
    fn icmp_packets_are_echo_requests() {
        let words = header_v4(&header("192.0.2.1", "198.51.100.2", 1)).unwrap();
        assert_eq!(frame(IpVersion::V4, &words)[34..38], [8, 0, 0, 0]);
        let words = header_v6(&header("::1", "::2", 58)).unwrap();
        assert_eq!(frame(IpVersion::V6, &words)[54..58], [128, 0, 0, 0]);
    }

    #[test]
    fn a_udp_frame_has_the_checksum_that_hosts_want() {
        let socket = |text: &str| text.parse().unwrap();
        let frame = udp_frame([1; 6], [2; 6], socket("192.0.2.1:5"), socket("192.0.2.2:6"));
        assert_eq!(frame.len(), FRAME_BYTES_V4);
        assert_eq!(frame[..12], [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]);
        // With its checksum, a header adds up to nothing (RFC 1071).
        assert_eq!(internet_checksum(&frame[14..34]), [0, 0]);
        assert_eq!(frame[23], UDP);
        assert_eq!(frame[26..38], [192, 0, 2, 1, 192, 0, 2, 2, 0, 5, 0, 6]);
        assert_eq!(frame[38..40], [0, TRANSPORT_BYTES]);
    }

    #[test]
    fn headers_of_the_other_version_are_refused() {
        assert_eq!(header_v4(&header("::1", "::2", 6)), None);
        assert_eq!(header_v6(&header("192.0.2.1", "192.0.2.2", 6)), None);
    }
}
