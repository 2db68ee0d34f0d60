//! Ports: the five classes of the published analysis.

use std::ops::RangeInclusive;

use super::random::{Popularity, Random};

/// What a filter asks of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PortClass {
    /// WC: any port.
    Wildcard,
    /// HI: 1024 to 65535.
    High,
    /// LO: 0 to 1023.
    Low,
    /// AR: some other range.
    ArbitraryRange,
    /// EM: one port.
    Exact,
}

/// Ports that real sets name, the most popular first.
const SERVICES: [u16; 32] = [
    80, 443, 53, 25, 22, 21, 23, 161, 123, 110, 143, 3389, 8080, 445, 139, 514, 389, 1433, 3306,
    69, 162, 88, 179, 993, 5060, 1521, 113, 137, 500, 119, 1723, 5432,
];
/// Ranges that real sets name, the most popular first.
const RANGES: [(u16, u16); 12] = [
    (137, 139),
    (20, 21),
    (6000, 6063),
    (1024, 5000),
    (5900, 5910),
    (33434, 33523),
    (67, 68),
    (161, 162),
    (109, 110),
    (16384, 32767),
    (8000, 8999),
    (49152, 65535),
];
/// How many different ports and ranges a set has at most; real sets have tens to hundreds.
const EXACT: usize = 220;
const ARBITRARY: usize = 60;

/// The ports of one set.
#[derive(Debug)]
pub(super) struct Ports {
    exact: Popularity<u16>,
    arbitrary: Popularity<(u16, u16)>,
}

impl Ports {
    /// Completes the lists with ports that nobody knows, as real sets have them.
    pub(super) fn new(random: &mut Random) -> Self {
        let mut exact = SERVICES.to_vec();
        while exact.len() < EXACT {
            let high = if random.chance(300) { 1023 } else { 49151 };
            let port = random.between(1, high);
            if !exact.contains(&port) {
                exact.push(port);
            }
        }
        let mut arbitrary = RANGES.to_vec();
        while arbitrary.len() < ARBITRARY {
            let low = random.between(1, 60_000);
            // Small ranges are as likely as large ones, whatever the scale.
            let widest = 2 << random.below(12);
            let span = random.between(1, widest);
            let range = (low, low.saturating_add(span));
            if !arbitrary.contains(&range) {
                arbitrary.push(range);
            }
        }
        Self {
            exact: Popularity::new(exact),
            arbitrary: Popularity::new(arbitrary),
        }
    }

    pub(super) fn choose(&self, class: PortClass, random: &mut Random) -> RangeInclusive<u16> {
        match class {
            PortClass::Wildcard => 0..=u16::MAX,
            PortClass::High => 1024..=u16::MAX,
            PortClass::Low => 0..=1023,
            PortClass::ArbitraryRange => {
                let (low, high) = self.arbitrary.choose(random);
                low..=high
            }
            PortClass::Exact => {
                let port = self.exact.choose(random);
                port..=port
            }
        }
    }
}
