//! One rule over a set of prefixes, beside the kernel's own prefix table.

use anyhow::Result;
use ipnet::IpNet;
use xtask::rulesets::{IpVersion, prefixes};

use super::measure::{Subject, Target, check, measure};
use super::sources::half_inside;
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
    measure(&mut subjects, options.rounds, report)?;
    check(&loaded)
}

/// Loads the set under a rule that passes and under one that polices, and reports what loading
/// takes.
fn load(
    case: &str,
    set: &[IpNet],
    report: &mut Report<'_>,
    targets: &mut Vec<Target>,
) -> Result<Vec<Loaded>> {
    let policy = of_set(set, Then::Pass, Then::Pass);
    let before = thread_time_ns();
    let table_bytes = compile_only(&policy)?;
    let compile_ns = thread_time_ns() - before;
    let mut passing = Loaded::start(of_set(&[], Then::Pass, Then::Pass))?;
    let swap_ns = passing.apply(policy)?;
    report.add(line(case, "compile_time", milliseconds(compile_ns), "ms"))?;
    report.add(line(case, "swap_time", milliseconds(swap_ns), "ms"))?;
    report.add(line(case, "table_memory", ratio(table_bytes, 1), "bytes"))?;
    report.add(line(case, "memory", ratio(passing.memory()?, 1), "bytes"))?;
    let policing = Loaded::start(of_set(set, Then::Police, Then::Police))?;
    targets.push(Target::new(case, "over_empty", passing.program())?);
    targets.push(Target::new(
        case,
        "over_empty_with_police",
        policing.program(),
    )?);
    Ok(vec![passing, policing])
}
