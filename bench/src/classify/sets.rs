//! One rule over a set of prefixes, beside the kernel's own prefix table.

use std::net::IpAddr;

use anyhow::Result;
use ipnet::IpNet;
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Family, Header, IpVersion, filters, headers, prefixes};

use super::measure::{Subject, Target, measure};
use super::{Options, PREFIXES, line, skipped};
use crate::harness::clock::thread_time_ns;
use crate::harness::{Front, KernelPrefixes, Loaded};
use crate::policies::{Then, compile_only, of_set};
use crate::report::Report;
use crate::stats::{milliseconds, ratio};

/// Measures sets of one IP version, all sizes in turn.
pub(super) fn run(options: &Options, version: IpVersion, report: &mut Report<'_>) -> Result<()> {
    let mut loaded = Vec::new();
    let mut subjects = Vec::new();
    for (size, count) in PREFIXES {
        let (case, peer) = match version {
            IpVersion::V4 => (format!("set4-{size}"), format!("peer-lpm-{size}")),
            IpVersion::V6 => (format!("set6-{size}"), format!("peer-lpm6-{size}")),
        };
        if !options.wants(&case) && !options.wants(&peer) {
            continue;
        }
        eprintln!("preparing {case}");
        let set = prefixes(version, count, options.seed);
        let mut targets = Vec::new();
        if options.wants(&case) {
            match load(&case, &set, report, &mut targets) {
                Ok(engines) => loaded.extend(engines),
                Err(error) => skipped(&case, &error),
            }
        }
        if options.wants(&peer) {
            let table = KernelPrefixes::load(&set, version)?;
            targets.push(Target::new(&peer, "over_empty", table.program())?);
        }
        if !targets.is_empty() {
            let headers = half_inside(&set, version, options.seed);
            let front = Front::load(&headers, version)?;
            subjects.push(Subject { front, targets });
        }
    }
    measure(&mut subjects, options.rounds, report)
}

/// Loads the set under a rule that passes and under one that polices, and reports what loading
/// takes.
fn load(
    case: &str,
    set: &[IpNet],
    report: &mut Report<'_>,
    targets: &mut Vec<Target>,
) -> Result<Vec<Loaded>> {
    let policy = of_set(set, Then::Pass);
    let before = thread_time_ns();
    compile_only(&policy)?;
    let compile_ns = thread_time_ns() - before;
    let mut passing = Loaded::start(of_set(&[], Then::Pass))?;
    let swap_ns = passing.apply(policy)?;
    report.add(line(case, "compile_time", milliseconds(compile_ns), "ms"))?;
    report.add(line(case, "swap_time", milliseconds(swap_ns), "ms"))?;
    report.add(line(case, "memory", ratio(passing.memory()?, 1), "bytes"))?;
    let policing = Loaded::start(of_set(set, Then::Police))?;
    targets.push(Target::new(case, "over_empty", passing.program())?);
    targets.push(Target::new(
        case,
        "over_empty_with_police",
        policing.program(),
    )?);
    Ok(vec![passing, policing])
}

/// Headers of which every other one comes from inside of the set, each from another prefix as long
/// as there are enough, and the others from anywhere.
fn half_inside(set: &[IpNet], version: IpVersion, seed: u64) -> Vec<Header> {
    let count = usize::try_from(BENCH_HEADERS).unwrap_or(0);
    // Headers of a rule set, for their ports, protocols and destinations, with other sources.
    let filters = filters(Family::Ipc, version, 1000, seed);
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    let outside = prefixes(version, count, seed + 1);
    let chosen = set.iter().step_by((set.len() * 2 / count).max(1)).cycle();
    let pairs = chosen.zip(&outside);
    let sources = pairs.flat_map(|(inside, outside)| {
        // The host bits are a hash's: the same in every run, and like random ones.
        let inside = host(
            inside,
            bits(outside.addr()).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        [inside, host(outside, bits(outside.addr()).rotate_left(61))]
    });
    let drawn = headers(&filters, count, seed);
    let with_sources = drawn.into_iter().zip(sources);
    with_sources
        .map(|(header, source)| Header { source, ..header })
        .collect()
}

/// An address in the prefix; its host bits are those of `noise`.
fn host(prefix: &IpNet, noise: u128) -> IpAddr {
    match prefix {
        IpNet::V4(prefix) => {
            let [a, b, c, d, ..] = noise.to_le_bytes();
            let noise = u32::from_be_bytes([a, b, c, d]);
            let host = noise & prefix.hostmask().to_bits();
            std::net::Ipv4Addr::from_bits(prefix.network().to_bits() | host).into()
        }
        IpNet::V6(prefix) => {
            let host = noise & prefix.hostmask().to_bits();
            std::net::Ipv6Addr::from_bits(prefix.network().to_bits() | host).into()
        }
    }
}
