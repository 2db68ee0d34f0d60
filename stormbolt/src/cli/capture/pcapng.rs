//! Captured packets as a pcapng file (draft-ietf-opsawg-pcapng).

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context as _;
use pcap_file::DataLink;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::PcapNgBlock as _;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use stormbolt_common::sample::SAMPLE_BYTES;

use crate::api::documents::CapturedPacket;
use crate::explain::unhex;

/// In `epb_flags`, section 4.3.1 of the draft: the packet came in.
const INBOUND: u32 = 1;
/// Timestamps count nanoseconds: 10^-9 s.
const NANOSECONDS: u8 = 9;

/// A file under construction.
pub(super) struct Pcapng<W: Write> {
    writer: PcapNgWriter<W>,
    /// Interfaces that are described, in the order of their numbers.
    interfaces: Vec<String>,
}

impl<W: Write> Pcapng<W> {
    /// Writes the head of a file.
    pub(super) fn new(writer: W) -> anyhow::Result<Self> {
        let application = concat!("stormbolt ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(
                application,
            ))],
            ..SectionHeaderBlock::default()
        };
        let writer = PcapNgWriter::with_section_header(writer, section);
        Ok(Self {
            writer: writer.context("cannot write the capture")?,
            interfaces: Vec::new(),
        })
    }

    /// Writes a packet, and before it its interface if that is a new one.
    pub(super) fn write(&mut self, packet: &CapturedPacket) -> anyhow::Result<()> {
        let number = self.number_of(&packet.interface)?;
        let data = unhex(&packet.frame).context("the daemon's answer is not understood")?;
        let block = EnhancedPacketBlock {
            interface_id: number,
            timestamp: Duration::from_nanos(packet.unix_nanoseconds),
            original_len: packet.frame_bytes,
            data: Cow::Owned(data),
            options: vec![
                EnhancedPacketOption::Comment(Cow::Owned(comment(packet))),
                EnhancedPacketOption::Flags(INBOUND),
            ],
        };
        let written = self.writer.write_block(&block.into_block());
        written.context("cannot write the capture")?;
        Ok(())
    }

    /// Lets the file be read as far as it goes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.get_mut().flush()
    }

    fn number_of(&mut self, interface: &str) -> anyhow::Result<u32> {
        let known = self.interfaces.iter().position(|one| one == interface);
        let number = known.unwrap_or(self.interfaces.len());
        if known.is_none() {
            let block = InterfaceDescriptionBlock {
                linktype: DataLink::ETHERNET,
                snaplen: u32::try_from(SAMPLE_BYTES)?,
                options: vec![
                    InterfaceDescriptionOption::IfName(Cow::Borrowed(interface)),
                    InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
                ],
            };
            let written = self.writer.write_block(&block.into_block());
            written.context("cannot write the capture")?;
            self.interfaces.push(interface.to_owned());
        }
        Ok(u32::try_from(number)?)
    }
}

/// What becomes of the packet and why, for people.
fn comment(packet: &CapturedPacket) -> String {
    let mut words = vec![
        format!("verdict={}", verdict(packet)),
        format!("outcome={}", packet.outcome),
    ];
    words.extend(packet.class.iter().map(|class| format!("class={class:?}")));
    words.extend(packet.rule.iter().map(|rule| format!("rule={rule:?}")));
    words.push(format!("cpu={}", packet.cpu));
    if !matches!(packet.stands_for_halves, 0 | 2) {
        let half = if packet.stands_for_halves.is_multiple_of(2) {
            ""
        } else {
            ".5"
        };
        words.push(format!("stands_for={}{half}", packet.stands_for_halves / 2));
    }
    words.join(" ")
}

/// As `enum xdp_action` calls it.
fn verdict(packet: &CapturedPacket) -> &'static str {
    if packet.dropped {
        "XDP_DROP"
    } else if packet.outcome == "class_steered" {
        "XDP_REDIRECT"
    } else {
        "XDP_PASS"
    }
}

#[cfg(test)]
mod tests {
    use pcap_file::pcapng::{Block, PcapNgReader};

    use super::super::line::tests::packet;
    use super::*;

    #[test]
    fn what_is_written_is_read_by_another() {
        let mut file = Vec::new();
        let mut writer = Pcapng::new(&mut file).unwrap();
        let other = CapturedPacket {
            interface: "eth1".to_owned(),
            outcome: "class_steered".to_owned(),
            dropped: false,
            stands_for_halves: 9,
            ..packet()
        };
        for one in [&packet(), &other, &packet()] {
            writer.write(one).unwrap();
        }
        let mut reader = PcapNgReader::new(&file[..]).unwrap();
        let mut interfaces = Vec::new();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            let block = block.unwrap().into_owned();
            if let Block::InterfaceDescription(block) = block {
                interfaces.push(block);
            } else if let Block::EnhancedPacket(block) = block {
                packets.push(block);
            }
        }
        let names: Vec<_> = interfaces.iter().map(|one| &one.options[0]).collect();
        assert_eq!(
            names,
            [
                &InterfaceDescriptionOption::IfName("eth0".into()),
                &InterfaceDescriptionOption::IfName("eth1".into())
            ]
        );
        let numbers: Vec<u32> = packets.iter().map(|one| one.interface_id).collect();
        assert_eq!(numbers, [0, 1, 0]);
        let first = &packets[0];
        assert_eq!(first.timestamp.as_nanos(), 1_700_000_000_123_456_789);
        assert_eq!(first.original_len, 1_514);
        assert_eq!(&first.data[..], [0x00, 0x11, 0x22, 0x33, 0x44]);
        let comment = "verdict=XDP_DROP outcome=over_rate class=\"bulk\" rule=\"rule 4\" cpu=3";
        assert_eq!(
            first.options[0],
            EnhancedPacketOption::Comment(comment.into())
        );
        assert_eq!(first.options[1], EnhancedPacketOption::Flags(1));
        let EnhancedPacketOption::Comment(other) = &packets[1].options[0] else {
            panic!("no comment");
        };
        assert!(other.starts_with("verdict=XDP_REDIRECT outcome=class_steered "));
        assert!(other.ends_with(" stands_for=4.5"));
    }
}
