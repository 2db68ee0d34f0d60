//! Tests of `rulesets`.

mod format;
mod output;
mod stability;
mod structure;

use std::{collections::HashSet, ops::RangeInclusive};

use ipnet::IpNet;

use super::{Family, IpVersion};

const VERSIONS: [IpVersion; 2] = [IpVersion::V4, IpVersion::V6];
const SEEDS: RangeInclusive<u64> = 1..=3;

/// All families and versions with several seeds.
fn kinds() -> impl Iterator<Item = (Family, IpVersion, u64)> {
    Family::ALL.into_iter().flat_map(|family| {
        VERSIONS
            .into_iter()
            .flat_map(move |version| SEEDS.map(move |seed| (family, version, seed)))
    })
}

fn distinct<T: Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<HashSet<_>>().len()
}

/// How many prefixes of `nets` lie in each other at most; /0 does not count.
fn nesting(nets: impl Iterator<Item = IpNet>) -> usize {
    let nets: HashSet<_> = nets.filter(|net| net.prefix_len() > 0).collect();
    let around = |net: &IpNet| {
        std::iter::successors(Some(*net), IpNet::supernet)
            .filter(|net| nets.contains(net))
            .count()
    };
    nets.iter().map(around).max().unwrap_or(0)
}
