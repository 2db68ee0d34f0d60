//! Headers with sources out of a set of prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Family, Header, IpVersion, filters, headers, prefixes};

/// Headers of which every other one comes from inside of the set, each from another prefix as long
/// as there are enough, and the others from anywhere.
pub(crate) fn half_inside(set: &[IpNet], version: IpVersion, seed: u64) -> Vec<Header> {
    let outside = prefixes(version, COUNT / 2, seed + 1);
    let pairs = spread(set, COUNT / 2).zip(outside);
    with_sources(
        pairs.flat_map(|(inside, outside)| [inside, outside]),
        version,
        seed,
    )
}

/// Headers that all come from inside of the set, each from another prefix as long as there are
/// enough.
pub(crate) fn inside(set: &[IpNet], version: IpVersion, seed: u64) -> Vec<Header> {
    with_sources(spread(set, COUNT), version, seed)
}

/// How many of the headers come from inside of the set.
pub(crate) fn count_inside(set: &[IpNet], headers: &[Header]) -> u64 {
    // In order, and none inside of another.
    let disjoint = IpNet::aggregate(&set.to_vec());
    let inside = |header: &&Header| {
        let after = disjoint.partition_point(|net| net.network() <= header.source);
        let last = after.checked_sub(1).and_then(|last| disjoint.get(last));
        last.is_some_and(|net| net.contains(&header.source))
    };
    headers.iter().filter(inside).map(|_| 1).sum()
}

/// Single addresses, one out of each prefix.
pub(crate) fn hosts(set: &[IpNet]) -> Vec<IpNet> {
    let numbered = (1..).zip(set);
    let hosts = numbered.map(|(number, prefix)| host(prefix, noise(number)).into());
    hosts.collect()
}

/// Headers that are wanted.
#[expect(clippy::as_conversions, reason = "constant; it fits")]
const COUNT: usize = BENCH_HEADERS as usize;

/// Prefixes from all over the set, `count` of them and then again.
fn spread(set: &[IpNet], count: usize) -> impl Iterator<Item = IpNet> {
    set.iter()
        .copied()
        .step_by((set.len() / count).max(1))
        .cycle()
}

/// Headers of a rule set, for their ports, protocols and destinations, with sources in `prefixes`.
fn with_sources(
    prefixes: impl Iterator<Item = IpNet>,
    version: IpVersion,
    seed: u64,
) -> Vec<Header> {
    let drawn = headers(&filters(Family::Ipc, version, 1000, seed), COUNT, seed);
    let numbered = (1..).zip(prefixes).zip(drawn);
    numbered
        .map(|((number, prefix), header)| Header {
            source: host(&prefix, noise(number)),
            ..header
        })
        .collect()
}

/// A number's hash: the same in every run, and like a random number.
fn noise(number: u128) -> u128 {
    // The middle of a product is what is most like random.
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) >> 32
}

/// An address in the prefix; its host bits are out of those of `noise`.
fn host(prefix: &IpNet, noise: u128) -> IpAddr {
    match prefix {
        IpNet::V4(prefix) => {
            let [.., a, b, c, d] = noise.to_be_bytes();
            let host = u32::from_be_bytes([a, b, c, d]) & prefix.hostmask().to_bits();
            Ipv4Addr::from_bits(prefix.network().to_bits() | host).into()
        }
        IpNet::V6(prefix) => {
            let host = noise & prefix.hostmask().to_bits();
            Ipv6Addr::from_bits(prefix.network().to_bits() | host).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as [`count_inside`], by looking at every prefix.
    fn count_one_by_one(set: &[IpNet], headers: &[Header]) -> usize {
        let inside = |header: &&Header| set.iter().any(|net| net.contains(&header.source));
        headers.iter().filter(inside).count()
    }

    #[test]
    fn headers_come_from_inside_of_the_set_as_often_as_promised() {
        for version in [IpVersion::V4, IpVersion::V6] {
            let set = prefixes(version, 100, 1);
            let all = inside(&set, version, 1);
            assert_eq!((all.len(), count_one_by_one(&set, &all)), (COUNT, COUNT));
            let half = half_inside(&set, version, 1);
            let found = count_one_by_one(&set, &half);
            assert_eq!(count_inside(&set, &half), u64::try_from(found).unwrap());
            // Those from anywhere are in the set now and then.
            assert_eq!(half.len(), COUNT);
            assert!((COUNT / 2..COUNT * 5 / 8).contains(&found), "{found}");
        }
    }

    #[test]
    fn hosts_are_single_addresses_in_the_prefixes() {
        let set = prefixes(IpVersion::V4, 100, 1);
        let hosts = hosts(&set);
        assert_eq!(hosts.len(), set.len());
        for (host, prefix) in hosts.iter().zip(&set) {
            assert!(host.prefix_len() == 32 && prefix.contains(host), "{host}");
        }
    }

    #[test]
    fn sources_in_the_same_prefix_are_different_hosts() {
        let set = ["198.51.0.0/16".parse().unwrap()];
        let mut sources: Vec<_> = inside(&set, IpVersion::V4, 1)
            .iter()
            .map(|header| header.source)
            .collect();
        sources.sort_unstable();
        sources.dedup();
        assert!(sources.len() > COUNT / 2, "{}", sources.len());
    }
}
