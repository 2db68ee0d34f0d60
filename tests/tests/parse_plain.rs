//! Plain packets are read at once; what is read must be what the parser finds step by step.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use stormbolt_ebpf::parse::{parse_plain_ipv4, parse_plain_ipv6, parse_values, protocol};
use stormbolt_tests::packet::{IPV4, IPV6};
use stormbolt_tests::random::Random;

const FRAMES: u32 = 400_000;

/// A TCP or UDP packet of the family in which everything is right, and up to three bytes of its headers
/// are not.
fn frame(random: &mut Random, is_ipv4: bool) -> Vec<u8> {
    let ip_header = if is_ipv4 { 20 } else { 40 };
    let mut frame = vec![0; 14 + ip_header + 20 + random.index(60)];
    random.fill(&mut frame);
    let padding = random.index(3);
    let transport = frame.len() - 14 - ip_header - padding;
    let number = |length: usize| u16::try_from(length).expect("short").to_be_bytes();
    let protocol = random.one_of(&[protocol::TCP, protocol::UDP]);
    if is_ipv4 {
        frame[12..14].copy_from_slice(&IPV4.to_be_bytes());
        frame[14] = 0x45;
        frame[16..18].copy_from_slice(&number(ip_header + transport));
        // Perhaps "do not fragment".
        frame[20..22].copy_from_slice(&[random.byte() & 0x40, 0]);
        frame[23] = protocol;
    } else {
        frame[12..14].copy_from_slice(&IPV6.to_be_bytes());
        frame[14] = 0x60 | random.byte() & 15;
        frame[18..20].copy_from_slice(&number(transport));
        frame[20] = protocol;
    }
    let behind = 14 + ip_header;
    if protocol == protocol::UDP {
        frame[behind + 4..behind + 6].copy_from_slice(&number(transport));
    } else {
        frame[behind + 12] = 0x50;
    }
    for _ in 0..random.index(4) {
        let at = 12 + random.index(2 + ip_header + 14);
        let byte = random.byte();
        frame[at] = random.one_of(&[0, 1, 0x20, 0x44, 0x46, 0x60, 0xff, byte]);
    }
    let end = frame.len() - random.index(2) * random.index(15);
    frame.truncate(end);
    frame
}

#[test]
fn what_is_read_at_once_is_what_is_found_step_by_step() {
    for is_ipv4 in [true, false] {
        let mut random = Random::of(11);
        let (mut plain, mut found) = (0_u32, 0_u32);
        for _ in 0..FRAMES {
            let frame = frame(&mut random, is_ipv4);
            let step_by_step = parse_values(frame.as_slice());
            found += u32::from(step_by_step.is_ok());
            let at_once = [
                parse_plain_ipv4(frame.as_slice()),
                parse_plain_ipv6(frame.as_slice()),
            ];
            for at_once in at_once.into_iter().flatten() {
                plain += 1;
                assert_eq!(Ok(at_once), step_by_step, "{frame:02x?}");
            }
        }
        assert!(
            found > plain && plain > FRAMES / 4,
            "plain {plain} of {found} found"
        );
        assert!(found < FRAMES, "all frames are right");
    }
}
