//! What a sample says about its packet.

use etherparse::{TcpOptionElement, TcpSlice};
use stormbolt_common::sample::Sample;
use stormbolt_control::flows::{Flow, Segment, Timestamps};
use stormbolt_control::units::Nanoseconds;
use stormbolt_ebpf::packet::PacketBytes;
use stormbolt_ebpf::parse::{parse, parse_values};

/// A packet that is IP, as far as it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it comes from and where it goes.
    pub flow: Flow,
    /// Its TCP flags, FIN in the lowest bit.
    pub tcp_flags: Option<u8>,
    /// Its TCP timestamps.
    pub timestamps: Option<Timestamps>,
}

impl Packet {
    /// Reads the headers by the parser of the data path; `None` where that does not take it.
    pub fn of(sample: &Sample) -> Option<Self> {
        let frame = Beginning::of(sample);
        let headers = parse(&frame).ok()?;
        let ports = headers.ports;
        let flow = Flow {
            ifindex: sample.head.ifindex,
            source: headers.source,
            destination: headers.destination,
            protocol: headers.protocol,
            ports: ports.map(|ports| (ports.source, ports.destination)),
        };
        let timestamps = headers.tcp_flags.and_then(|_| timestamps(&frame));
        Some(Self {
            flow,
            tcp_flags: headers.tcp_flags,
            timestamps,
        })
    }

    /// The packet as a TCP segment, which came at `at`.
    pub fn segment(&self, at: Nanoseconds) -> Option<Segment> {
        Some(Segment {
            flow: self.flow,
            flags: self.tcp_flags?,
            timestamps: self.timestamps,
            at,
        })
    }
}

/// A frame of which only the beginning was taken.
struct Beginning<'s> {
    bytes: &'s [u8],
    length: usize,
}

impl<'s> Beginning<'s> {
    fn of(sample: &'s Sample) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(0);
        let taken = count(sample.head.taken_bytes);
        Self {
            bytes: sample.bytes.get(..taken).unwrap_or(&sample.bytes),
            length: count(sample.head.frame_bytes),
        }
    }
}

impl PacketBytes for Beginning<'_> {
    fn bytes_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.bytes_at(offset)
    }

    fn length(&self) -> usize {
        self.length
    }
}

/// The timestamps option of the segment in the frame (RFC 7323 section 3).
fn timestamps(frame: &Beginning<'_>) -> Option<Timestamps> {
    let offsets = parse_values(frame).ok()?.offsets;
    let transport = usize::try_from(offsets >> 16).ok()?;
    let segment = TcpSlice::from_slice(frame.bytes.get(transport..)?).ok()?;
    segment.options_iterator().find_map(|option| match option {
        Ok(TcpOptionElement::Timestamp(value, echo_reply)) => {
            Some(Timestamps { value, echo_reply })
        }
        _ => None,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;
    use stormbolt_common::sample::{SAMPLE_BYTES, SampleHead};

    use super::*;

    /// The sample of a frame.
    pub(in super::super) fn sample(frame: &[u8]) -> Sample {
        let mut bytes = [0; SAMPLE_BYTES];
        let taken = frame.len().min(SAMPLE_BYTES);
        bytes[..taken].copy_from_slice(&frame[..taken]);
        let head = SampleHead {
            ifindex: 3,
            frame_bytes: u32::try_from(frame.len()).unwrap(),
            taken_bytes: u32::try_from(taken).unwrap(),
            stands_for_halves: 2,
            ..SampleHead::default()
        };
        Sample { head, bytes }
    }

    /// A TCP segment with timestamps.
    pub(in super::super) fn segment(payload: usize, value: u32, echo_reply: u32) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([192, 0, 2, 1], [198, 51, 100, 2], 64)
            .tcp(50_000, 443, 7, 1_000)
            .ack(9)
            .options(&[
                TcpOptionElement::Noop,
                TcpOptionElement::Noop,
                TcpOptionElement::Timestamp(value, echo_reply),
            ])
            .unwrap();
        let mut frame = Vec::new();
        builder.write(&mut frame, &vec![0; payload]).unwrap();
        frame
    }

    #[test]
    fn headers_of_a_long_segment_are_read_though_only_its_beginning_was_taken() {
        for payload in [0, 100, 1_400] {
            let packet = Packet::of(&sample(&segment(payload, 17, 18))).unwrap();
            assert_eq!(packet.flow.ports, Some((50_000, 443)));
            assert_eq!((packet.flow.protocol, packet.flow.ifindex), (6, 3));
            let times = Timestamps {
                value: 17,
                echo_reply: 18,
            };
            assert_eq!(packet.timestamps, Some(times));
            assert_eq!(packet.tcp_flags, Some(0x10));
        }
    }

    #[test]
    fn what_is_not_ip_is_no_packet() {
        let mut frame = segment(0, 1, 1);
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        assert_eq!(Packet::of(&sample(&frame)), None);
    }

    proptest! {
        #[test]
        fn no_frame_is_too_strange(
            frame in prop::collection::vec(any::<u8>(), 0..400),
            length: u32, taken: u32, patched: bool,
        ) {
            let mut sample = sample(&frame);
            if patched {
                let whole = segment(50, 1, 2);
                let places = sample.bytes.iter_mut().zip(&whole);
                places.take(40).for_each(|(place, byte)| *place = *byte);
            }
            sample.head.frame_bytes = length;
            sample.head.taken_bytes = taken;
            let packet = Packet::of(&sample);
            prop_assert!(packet.is_none_or(|packet| packet.segment(Nanoseconds(1)).is_none()
                || packet.flow.protocol == 6));
        }
    }
}
