//! Large sets of prefixes, as routing tables and block lists have them.

use std::collections::HashSet;

use ipnet::IpNet;

use super::{
    family::IpVersion,
    parameters::Table,
    prefix::{Prefix, mask},
    random::Random,
};

/// Lengths as in the global tables of 2024 (bgp.potaroo.net), rounded, and hosts as in block lists.
const LENGTHS_V4: Table<u8> = &[
    (24, 5600),
    (23, 950),
    (22, 1050),
    (21, 500),
    (20, 430),
    (19, 240),
    (18, 130),
    (17, 80),
    (16, 130),
    (15, 20),
    (14, 12),
    (13, 6),
    (12, 3),
    (32, 700),
    (28, 30),
    (27, 30),
    (26, 40),
    (25, 49),
];
const LENGTHS_V6: Table<u8> = &[
    (48, 4600),
    (32, 1150),
    (44, 1100),
    (40, 1050),
    (36, 450),
    (46, 350),
    (47, 250),
    (45, 100),
    (42, 150),
    (38, 100),
    (34, 80),
    (33, 120),
    (29, 150),
    (30, 20),
    (28, 10),
    (56, 100),
    (64, 220),
];
/// What is not public unicast space (the special-purpose registries of IANA, RFC 6890).
const RESERVED_V4: [([u8; 4], u8); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3),
];
const RESERVED_V6: [([u16; 2], u8); 5] = [
    ([0x2001, 0], 23),
    ([0x2001, 0xdb8], 32),
    ([0x2002, 0], 16),
    ([0x3ffe, 0], 16),
    ([0x3fff, 0], 20),
];
/// How many of 1000 prefixes are put into a shorter one, where one drawn at random is shorter.
/// Those of IPv4 often lie in another one without that, as the space is crowded.
const NESTED_V4: u32 = 100;
const NESTED_V6: u32 = 500;
/// How many more are put near another one.
const NEAR: u32 = 300;
/// The most bits in which a prefix near another differs from it.
const NEIGHBOURHOOD: u64 = 12;

/// Makes `count` different prefixes of public unicast space, in no order.
///
/// IPv4 is mostly /24, then /22 and /23, some hosts; IPv6 mostly /48. Of a million, more than half
/// lie in another prefix of the set, as in the global tables; of fewer, fewer do. The same arguments
/// give the same prefixes. Beyond some ten million, IPv4 prefixes are mostly hosts.
pub fn prefixes(version: IpVersion, count: usize, seed: u64) -> Vec<IpNet> {
    let mut random = Random::new(seed, &format!("prefixes{version}"));
    let reserved = reserved(version);
    let mut distinct = HashSet::with_capacity(count);
    let mut found: Vec<Prefix> = Vec::with_capacity(count);
    while found.len() < count {
        let prefix = draw(version, &found, &mut random);
        let public = !reserved.iter().any(|&other| prefix.overlaps(other));
        if public && distinct.insert(prefix) {
            found.push(prefix);
        }
    }
    found
        .into_iter()
        .map(|prefix| prefix.to_net(version))
        .collect()
}

fn draw(version: IpVersion, found: &[Prefix], random: &mut Random) -> Prefix {
    let (lengths, space, nested) = match version {
        IpVersion::V4 => (LENGTHS_V4, Prefix::ANY, NESTED_V4),
        IpVersion::V6 => (LENGTHS_V6, Prefix::new(1 << 125, 3), NESTED_V6),
    };
    let length = random.weighted(lengths);
    let relation = random.below(1000);
    let other = random.pick(found).copied();
    let kept = match other {
        Some(other) if relation < u64::from(nested) && other.length() < length => other,
        Some(other) if relation < u64::from(nested + NEAR) => {
            let differing = u8::try_from(random.below(NEIGHBOURHOOD) + 1).unwrap_or(0);
            other.shortened(length.saturating_sub(differing))
        }
        Some(_) | None => space,
    };
    Prefix::new(kept.bits() | random.wide() & !mask(kept.length()), length)
}

fn reserved(version: IpVersion) -> Vec<Prefix> {
    match version {
        IpVersion::V4 => RESERVED_V4
            .map(|(octets, length)| {
                Prefix::new(u128::from(u32::from_be_bytes(octets)) << 96, length)
            })
            .to_vec(),
        IpVersion::V6 => RESERVED_V6
            .map(|([first, second], length)| {
                Prefix::new(u128::from(first) << 112 | u128::from(second) << 96, length)
            })
            .to_vec(),
    }
}
