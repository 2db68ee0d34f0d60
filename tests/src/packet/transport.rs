//! Transport headers.

/// TCP's FIN flag.
pub const FIN: u8 = 0x01;
/// TCP's SYN flag.
pub const SYN: u8 = 0x02;
/// TCP's RST flag.
pub const RST: u8 = 0x04;
/// TCP's ACK flag.
pub const ACK: u8 = 0x10;

/// A TCP header without options.
pub fn tcp(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    tcp_with_words(source, destination, flags, 5)
}

/// A TCP header of 20 bytes that states `words` times four.
pub fn tcp_with_words(source: u16, destination: u16, flags: u8, words: u8) -> Vec<u8> {
    let mut header = ports(source, destination);
    header.extend([
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        2,
        words << 4,
        flags,
        0x20,
        0,
        0,
        0,
        0,
        0,
    ]);
    header
}

/// A UDP datagram of `payload` zero bytes.
pub fn udp(source: u16, destination: u16, payload: u16) -> Vec<u8> {
    let mut datagram = udp_of_length(source, destination, 8 + payload);
    datagram.resize(8 + usize::from(payload), 0);
    datagram
}

/// A UDP header that states `length`.
pub fn udp_of_length(source: u16, destination: u16, length: u16) -> Vec<u8> {
    let mut header = ports(source, destination);
    header.extend(length.to_be_bytes());
    header.extend([0, 0]);
    header
}

/// An SCTP common header.
pub fn sctp(source: u16, destination: u16) -> Vec<u8> {
    let mut header = ports(source, destination);
    header.extend([0; 8]);
    header
}

/// An ICMP or `ICMPv6` message of `icmp_type`: the header and 24 bytes.
pub fn icmp(icmp_type: u8) -> Vec<u8> {
    let mut message = vec![0; 32];
    message[0] = icmp_type;
    message
}

fn ports(source: u16, destination: u16) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}
