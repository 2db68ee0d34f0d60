//! Frames of random bytes: the loaded program and the host agree, and every frame is counted.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use stormbolt::lab::require_root;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::steer::entry_for_cpu;
use stormbolt_tests::cases::{self, CPU_SETS};
use stormbolt_tests::counters::Watched;
use stormbolt_tests::packet::{CUSTOMER_TAG, IPV4, IPV6, SERVICE_TAG};
use stormbolt_tests::random::Random;
use stormbolt_tests::side_by_side::SideBySide;

const WATCHED: Watched = Watched {
    classes: 8,
    cpu_sets: CPU_SETS,
};
const FRAMES: u64 = 200_000;
/// Frames between two comparisons of all counters.
const BATCH: u64 = 500;
const TYPES: [u16; 5] = [IPV4, IPV6, CUSTOMER_TAG, SERVICE_TAG, 0x0806];

/// Random bytes behind an Ethernet header, 14 to 1,500 bytes in all.
fn anything(random: &mut Random) -> Vec<u8> {
    let mut frame = vec![0; 14 + random.index(1487)];
    random.fill(&mut frame);
    frame[12..14].copy_from_slice(&random.one_of(&TYPES).to_be_bytes());
    frame
}

/// The same, with enough of the first bytes made right that the later stages are reached: tag
/// types, versions, lengths, and protocols that have headers to get wrong.
fn nearly_right(random: &mut Random) -> Vec<u8> {
    const PROTOCOLS: [u8; 16] = [
        0, 1, 6, 17, 43, 44, 51, 58, 59, 60, 132, 135, 139, 140, 17, 6,
    ];
    const EXTENSIONS: [u8; 16] = [
        0, 43, 44, 60, 135, 139, 140, 0, 43, 60, 135, 139, 140, 0, 43, 60,
    ];
    let mut frame = anything(random);
    let mut offset = 14;
    while frame[offset - 2] != 0x08 && frame[offset - 2] != 0x86 && offset + 4 < frame.len() {
        frame[offset + 2..offset + 4].copy_from_slice(&random.one_of(&TYPES[..4]).to_be_bytes());
        offset += 4;
    }
    let left = frame.len() - offset;
    if left < 40 {
        return frame;
    }
    let is_ipv4 = frame[offset - 2] == 0x08;
    let (length_at, protocol_at, payload_at, length) = if is_ipv4 {
        (2, 9, 20, left)
    } else {
        (4, 6, 40, left - 40)
    };
    let length = length - random.index(length.min(3) + 1);
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    frame[offset] = if is_ipv4 {
        0x45 + u8::from(random.chance(20))
    } else {
        0x60
    };
    frame[offset + length_at..offset + length_at + 2].copy_from_slice(&length);
    frame[offset + protocol_at] = random.one_of(&PROTOCOLS);
    if is_ipv4 && random.chance(80) {
        frame[offset + 6..offset + 8].fill(0);
    }
    if !is_ipv4 && random.chance(50) {
        frame[offset + 7] = 255;
    }
    // A chain of short headers, and ports that rules look at.
    let mut at = offset + payload_at;
    for _ in 0..random.below(12) {
        if at + 8 <= frame.len() {
            let is_last = random.chance(20);
            frame[at] = random.one_of(if is_last { &PROTOCOLS } else { &EXTENSIONS });
            frame[at + 1] = u8::from(random.chance(10));
            frame[at + 2..at + 4].copy_from_slice(&[0, u8::from(random.chance(20))]);
            at += 8;
        }
    }
    if at + 8 <= frame.len() && random.chance(20) {
        // Discovery, or the types beside it.
        frame[at] = 132 + random.byte() % 7;
    } else if at + 8 <= frame.len() && random.chance(80) {
        let port = 6001 + u16::try_from(random.below(9)).unwrap_or(0);
        frame[at + 2..at + 4].copy_from_slice(&port.to_be_bytes());
        frame[at + 4..at + 6].copy_from_slice(&[0, 8 + random.byte() % 16]);
    }
    frame
}

fn agree_on(name: &str, make: fn(&mut Random) -> Vec<u8>) {
    let mut both = SideBySide::load(WATCHED);
    both.install(&cases::tables(1).0);
    let steered_to = both.entry_of_another_cpu();
    both.set_slots(0, steered_to);
    both.set_slots(1, entry_for_cpu(both.host.cpu));
    let mut random = Random::of(7);
    let (mut counted, mut bytes) = (0, 0_u64);
    let mut of_outcome = [0_u64; Outcome::ALL.len()];
    for batch in 0..FRAMES / BATCH {
        for _ in 0..BATCH {
            let frame = make(&mut random);
            bytes += u64::try_from(frame.len()).unwrap_or_default();
            let before = of_interface(&both);
            let (outcome, _) = both.run_uncounted(name, &frame);
            let after = of_interface(&both);
            for (position, candidate) in Outcome::ALL.into_iter().enumerate() {
                let moved = after[position] - before[position];
                assert_eq!(moved, u64::from(candidate == outcome), "{outcome:?}");
                of_outcome[position] += moved;
            }
        }
        let moved = both.compare_counters(&format!("{name}, batch {batch}"));
        for (interface, _, counter) in &moved.outcomes {
            assert_eq!(*interface, 0);
            counted += counter.packets;
            bytes -= counter.bytes;
        }
    }
    let named: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| outcome.name())
        .zip(of_outcome)
        .collect();
    eprintln!("{name}: {named:?}");
    assert_eq!(
        (counted, bytes),
        (FRAMES, 0),
        "every frame and every byte is counted"
    );
}

/// Packets of every outcome on interface 0, as the loaded program counts them.
fn of_interface(both: &SideBySide) -> [u64; Outcome::ALL.len()] {
    Outcome::ALL.map(|outcome| both.kernel.outcome_counter(0, outcome).packets)
}

#[test]
fn every_frame_of_random_bytes_ends_in_the_same_one_outcome() {
    if require_root("every_frame_of_random_bytes_ends_in_the_same_one_outcome") {
        agree_on("random bytes", anything);
    }
}

#[test]
fn every_frame_that_is_nearly_right_ends_in_the_same_one_outcome() {
    if require_root("every_frame_that_is_nearly_right_ends_in_the_same_one_outcome") {
        agree_on("nearly right", nearly_right);
    }
}
