//! IPv4 (RFC 791).

use super::link::{IPV4, ethernet};

/// The "more fragments" bit of [`Ipv4::fragment`].
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// The "don't fragment" bit of [`Ipv4::fragment`].
pub const DONT_FRAGMENT: u16 = 0x4000;

/// An IPv4 header. What is `None` is computed.
#[derive(Clone, Debug)]
pub struct Ipv4 {
    /// Source address.
    pub source: [u8; 4],
    /// Destination address.
    pub destination: [u8; 4],
    /// Protocol of the payload.
    pub protocol: u8,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Flags, and the fragment's offset in units of eight bytes.
    pub fragment: u16,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// Version nibble.
    pub version: u8,
    /// Header length in words of four bytes.
    pub words: Option<u8>,
    /// Total length in bytes.
    pub total_length: Option<u16>,
}

impl Default for Ipv4 {
    /// A UDP packet from 192.0.2.1 to 198.51.100.2.
    fn default() -> Self {
        Self {
            source: [192, 0, 2, 1],
            destination: [198, 51, 100, 2],
            protocol: 17,
            dscp: 0,
            fragment: 0,
            options: Vec::new(),
            version: 4,
            words: None,
            total_length: None,
        }
    }
}

impl Ipv4 {
    /// A header for `protocol`.
    pub fn of(protocol: u8) -> Self {
        Self {
            protocol,
            ..Self::default()
        }
    }

    /// The packet without its frame.
    ///
    /// # Panics
    /// The packet has more than 65,535 bytes and no total length is given.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header_length = 20 + self.options.len();
        let words = self
            .words
            .unwrap_or_else(|| u8::try_from(header_length / 4).unwrap());
        let total_length = self
            .total_length
            .unwrap_or_else(|| u16::try_from(header_length + payload.len()).unwrap());
        let [length_high, length_low] = total_length.to_be_bytes();
        let [fragment_high, fragment_low] = self.fragment.to_be_bytes();
        let first_half = [
            self.version << 4 | words,
            self.dscp << 2,
            length_high,
            length_low,
            0x12,
            0x34,
            fragment_high,
            fragment_low,
            64,
            self.protocol,
            0,
            0,
        ];
        [
            &first_half,
            &self.source[..],
            &self.destination,
            &self.options,
            payload,
        ]
        .concat()
    }

    /// The packet in an untagged frame.
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        ethernet(IPV4, &self.packet(payload))
    }
}
