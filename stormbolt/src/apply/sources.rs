//! What the engine shows of sources and their limits.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::IpNet;
use stormbolt_common::source::{Offender, SourceCounters};
use stormbolt_control::policy::{Class, Interface, PerSource, Policy};

use super::engine::Engine;
use super::plan::Numbers;
use crate::api::documents::{DOCUMENT_VERSION, SourceClass, SourceStatus, Sources};

/// Sources that are shown.
const SHOWN: usize = 100;

impl Engine {
    /// The classes with limits on each source, and the sources that were refused most.
    pub fn sources(&self) -> Sources {
        let limited = self.limited_cells();
        let classes = limited.iter().map(|(&cell, limited)| {
            let total = self.datapath.source_counters(cell);
            let key = (limited.interface.name.clone(), limited.class.name.clone());
            let base = self.baselines.sources.get(&key).copied();
            let refused = since(total, base.unwrap_or_default());
            SourceClass {
                class: limited.class.name.clone(),
                interface: limited.interface.name.clone(),
                limit_bits_per_second: limited.per_source.rate,
                refused_packets: refused.refused_packets,
                refused_bytes: refused.refused_bytes,
                displaced_sources: refused.displaced,
            }
        });
        let classes = classes.collect();
        let merged = merged(self.datapath.offenders()).into_iter();
        let mut refused: Vec<_> = merged
            .filter_map(|one| Some((limited.get(&one.cell)?, one)))
            .collect();
        refused.sort_by_key(|(_, one)| std::cmp::Reverse(one.bytes));
        refused.truncate(SHOWN);
        let sources = refused.into_iter().map(|(limited, one)| SourceStatus {
            source: written(one.halves, limited.per_source),
            class: limited.class.name.clone(),
            interface: limited.interface.name.clone(),
            refused_packets: one.packets,
            refused_bytes: one.bytes,
            last_refused_seconds_ago: self
                .datapath
                .seconds_since_jiffy(one.jiffy, self.received.at),
        });
        Sources {
            version: DOCUMENT_VERSION,
            classes,
            sources: sources.collect(),
        }
    }

    /// Whether offenders under a new policy would be taken for what they are not: numbers are given to others, or a class
    /// tells its sources apart in another way.
    pub(super) fn has_other_sources(&self, policy: &Policy, numbers: &Numbers) -> bool {
        if self.numbers.class_ids.gives_up_any(&numbers.class_ids)
            || (self.numbers.interface_ids).gives_up_any(&numbers.interface_ids)
        {
            return true;
        }
        let limits = |policy: &Policy, numbers: &Numbers| -> BTreeMap<u32, PerSource> {
            let classes = policy.classes.iter().zip(&numbers.classes);
            let limits = classes.filter_map(|(class, &number)| Some((number, class.per_source?)));
            limits.collect()
        };
        limits(&self.policy, &self.numbers) != limits(policy, numbers)
    }

    /// The classes that have a limit on each source, on each interface, by cell.
    fn limited_cells(&self) -> BTreeMap<u32, Limited<'_>> {
        let interfaces = || self.policy.interfaces.iter().enumerate();
        let limited = self.policy.classes.iter().enumerate();
        let limited =
            limited.filter_map(|(position, class)| Some((position, class, class.per_source?)));
        let cells = limited.flat_map(|(position, class, per_source)| {
            interfaces().filter_map(move |(number, interface)| {
                let limited = Limited {
                    class,
                    interface,
                    per_source,
                };
                Some((self.numbers.cell(number, position)?, limited))
            })
        });
        cells.collect()
    }
}

/// A class with a limit on each source, on one interface.
struct Limited<'p> {
    class: &'p Class,
    interface: &'p Interface,
    per_source: PerSource,
}

fn since(now: SourceCounters, base: SourceCounters) -> SourceCounters {
    SourceCounters {
        refused_packets: now.refused_packets.wrapping_sub(base.refused_packets),
        refused_bytes: now.refused_bytes.wrapping_sub(base.refused_bytes),
        displaced: now.displaced.wrapping_sub(base.displaced),
        reserved: 0,
    }
}

/// What all CPUs know of each source.
fn merged(offenders: Vec<Offender>) -> Vec<Offender> {
    let mut merged: BTreeMap<(u32, [u64; 2]), Offender> = BTreeMap::new();
    for one in offenders {
        merged
            .entry((one.cell, one.halves))
            .and_modify(|known| {
                known.packets = known.packets.wrapping_add(one.packets);
                known.bytes = known.bytes.wrapping_add(one.bytes);
                // The later one, modulo 2^32.
                if one.jiffy.wrapping_sub(known.jiffy) < 1 << 31 {
                    known.jiffy = one.jiffy;
                }
            })
            .or_insert(one);
    }
    merged.into_values().collect()
}

/// The address, or the prefix where sources are prefixes.
fn written([high, low]: [u64; 2], per_source: PerSource) -> String {
    let address = Ipv6Addr::from(u128::from(high) << 64 | u128::from(low));
    let (address, length, whole) = match address.to_ipv4_mapped() {
        Some(ipv4) => (ipv4.into(), per_source.ipv4_prefix, 32),
        None => (address.into(), per_source.ipv6_prefix, 128),
    };
    match IpNet::new(address, length) {
        Ok(prefix) if length < whole => prefix.to_string(),
        Ok(_) | Err(_) => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use stormbolt_common::ipv4_mapped;

    use super::*;

    const PER_SOURCE: PerSource = PerSource {
        rate: stormbolt_control::units::BitsPerSecond(1),
        burst: PerSource::DEFAULT_BURST,
        ipv4_prefix: 24,
        ipv6_prefix: 64,
    };

    fn halves(address: [u8; 16]) -> [u64; 2] {
        let whole = u128::from_be_bytes(address);
        [whole >> 64, whole & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap())
    }

    #[test]
    fn sources_are_written_as_what_they_are() {
        let ipv4 = halves(ipv4_mapped([192, 0, 2, 0]));
        assert_eq!(written(ipv4, PER_SOURCE), "192.0.2.0/24");
        let hosts = PerSource {
            ipv4_prefix: 32,
            ..PER_SOURCE
        };
        assert_eq!(written(ipv4, hosts), "192.0.2.0");
        assert_eq!(written([0x2001_0db8 << 32, 0], PER_SOURCE), "2001:db8::/64");
    }

    #[test]
    fn what_all_cpus_refused_of_a_source_is_added_up() {
        let one = Offender {
            halves: [1, 2],
            packets: 3,
            bytes: 300,
            cell: 7,
            weight: 1,
            jiffy: u32::MAX,
            reserved: 0,
        };
        let later = Offender { jiffy: 5, ..one };
        let other = Offender { cell: 8, ..one };
        let [first, second] = merged(vec![later, other, one]).try_into().unwrap();
        assert_eq!((first.packets, first.bytes, first.jiffy), (6, 600, 5));
        assert_eq!(second, other);
    }
}
