//! IPv6 (RFC 8200) and its extension headers.

use super::link::{IPV6, ethernet};

/// An IPv6 header. What is `None` is computed.
#[derive(Clone, Debug)]
pub struct Ipv6 {
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
    /// Protocol behind all extension headers.
    pub protocol: u8,
    /// Differentiated services code point.
    pub dscp: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Version nibble.
    pub version: u8,
    /// Payload length in bytes, extension headers included.
    pub payload_length: Option<u16>,
    /// Extension headers in order.
    pub extensions: Vec<Extension>,
}

impl Default for Ipv6 {
    /// A UDP packet from `2001:db8::1` to `2001:db8:ff::2`.
    fn default() -> Self {
        Self {
            source: [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            destination: [
                0x20, 0x01, 0x0d, 0xb8, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
            ],
            protocol: 17,
            dscp: 0,
            hop_limit: 64,
            version: 6,
            payload_length: None,
            extensions: Vec::new(),
        }
    }
}

impl Ipv6 {
    /// A header for `protocol`.
    pub fn of(protocol: u8) -> Self {
        Self {
            protocol,
            ..Self::default()
        }
    }

    /// The same with extension headers.
    #[must_use]
    pub fn with(self, extensions: Vec<Extension>) -> Self {
        Self { extensions, ..self }
    }

    /// The packet without its frame.
    ///
    /// # Panics
    /// The payload has more than 65,535 bytes and no payload length is given.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut kinds: Vec<u8> = self
            .extensions
            .iter()
            .map(|extension| extension.kind)
            .collect();
        kinds.push(self.protocol);
        let mut body = Vec::new();
        for (extension, next) in self.extensions.iter().zip(&kinds[1..]) {
            body.push(*next);
            body.extend(&extension.rest);
        }
        body.extend(payload);
        let length = self
            .payload_length
            .unwrap_or_else(|| u16::try_from(body.len()).unwrap());
        let [length_high, length_low] = length.to_be_bytes();
        let first_words = [
            self.version << 4 | self.dscp >> 2,
            self.dscp << 6,
            0,
            0,
            length_high,
            length_low,
            kinds[0],
            self.hop_limit,
        ];
        [&first_words[..], &self.source, &self.destination, &body].concat()
    }

    /// The packet in an untagged frame.
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        ethernet(IPV6, &self.packet(payload))
    }
}

/// An extension header without its first byte, the protocol of what follows.
#[derive(Clone, Debug)]
pub struct Extension {
    kind: u8,
    rest: Vec<u8>,
}

impl Extension {
    /// A header of `kind` with `units` times eight bytes beyond the first eight.
    pub fn sized(kind: u8, units: u8) -> Self {
        let mut rest = vec![0; 7 + usize::from(units) * 8];
        rest[0] = units;
        Self { kind, rest }
    }

    /// The shortest header of `kind`: eight bytes.
    pub fn of(kind: u8) -> Self {
        Self::sized(kind, 0)
    }

    /// An authentication header of 24 bytes, whose length counts words of four bytes.
    pub fn authentication() -> Self {
        let mut rest = vec![0; 23];
        rest[0] = 4;
        Self { kind: 51, rest }
    }

    /// A fragment header; `offset` in units of eight bytes.
    pub fn fragment(offset: u16, more: bool) -> Self {
        let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
        Self {
            kind: 44,
            rest: vec![0, high, low, 0, 0, 0, 1],
        }
    }
}
