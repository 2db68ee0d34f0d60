//! Rule sets like those of routers and firewalls.

use anyhow::Result;
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Family, Header, IpVersion, filters, headers};

use super::measure::{Subject, Target, check, measure};
use super::{Options, RULES, line, skipped};
use crate::harness::clock::thread_time_ns;
use crate::harness::{Front, Loaded, XdpFilter};
use crate::policies::{Then, compile_only, of_filters};
use crate::report::Report;
use crate::stats::{milliseconds, ratio};

/// Rules of the peer that has only addresses to match.
const FILTER_RULES: usize = 1000;

/// Measures the rule sets of one family, all sizes in turn.
pub(super) fn run(
    options: &Options,
    family: Family,
    version: IpVersion,
    report: &mut Report<'_>,
) -> Result<()> {
    let mut loaded = Vec::new();
    let mut subjects = Vec::new();
    for (size, count) in RULES {
        let case = match version {
            IpVersion::V4 => format!("{family}-{size}"),
            IpVersion::V6 => format!("{family}6-{size}"),
        };
        let peer =
            (case == "acl-1k" && options.wants("peer-xdp-filter")).then_some("peer-xdp-filter");
        if !options.wants(&case) && peer.is_none() {
            continue;
        }
        eprintln!("preparing {case}");
        let rule_set = RuleSet::draw(family, version, count, options.seed);
        let mut targets = Vec::new();
        if options.wants(&case) {
            match rule_set.load(&case, report, &mut targets) {
                Ok(engines) => loaded.extend(engines),
                Err(error) => skipped(&case, &error),
            }
        }
        if let Some(peer) = peer {
            targets.extend(xdp_filter(peer, &rule_set.headers)?);
        }
        if !targets.is_empty() {
            let front = Front::load(&rule_set.headers, version)?;
            subjects.push(Subject { front, targets });
        }
    }
    measure(&mut subjects, options.rounds, report)?;
    check(&loaded)
}

/// Filters, and headers that they match.
struct RuleSet {
    filters: Vec<xtask::rulesets::Filter>,
    headers: Vec<Header>,
}

impl RuleSet {
    fn draw(family: Family, version: IpVersion, count: usize, seed: u64) -> Self {
        let wanted = usize::try_from(BENCH_HEADERS).unwrap_or(0);
        // Without rules, headers like those of the smallest rule set.
        let mut filters = filters(family, version, count.max(1000), seed);
        let headers = headers(&filters, wanted, seed);
        filters.truncate(count);
        Self { filters, headers }
    }

    /// Loads the rules twice, to pass packets and to police them, and reports what loading takes.
    fn load(
        &self,
        case: &str,
        report: &mut Report<'_>,
        targets: &mut Vec<Target>,
    ) -> Result<Vec<Loaded>> {
        let policy = of_filters(&self.filters, Then::Pass);
        let before = thread_time_ns();
        let table_bytes = compile_only(&policy)?;
        let compile_ns = thread_time_ns() - before;
        let mut passing = Loaded::start(policy.clone())?;
        let swap_ns = passing.apply(reversed(policy))?;
        report.add(line(case, "compile_time", milliseconds(compile_ns), "ms"))?;
        report.add(line(case, "swap_time", milliseconds(swap_ns), "ms"))?;
        report.add(line(case, "table_memory", ratio(table_bytes, 1), "bytes"))?;
        report.add(line(case, "memory", ratio(passing.memory()?, 1), "bytes"))?;
        passing.apply(of_filters(&self.filters, Then::Pass))?;
        let policing = Loaded::start(of_filters(&self.filters, Then::Police))?;
        targets.push(Target::new(case, "over_empty", passing.program())?);
        targets.push(Target::new(
            case,
            "over_empty_with_police",
            policing.program(),
        )?);
        Ok(vec![passing, policing])
    }
}

/// A policy in which every rule has moved.
fn reversed(mut policy: stormbolt_control::policy::Policy) -> stormbolt_control::policy::Policy {
    policy.rules.reverse();
    policy
}

/// The peer with rules for the sources of some of the headers.
fn xdp_filter(case: &str, headers: &[Header]) -> Result<Option<Target>> {
    let spread = headers.iter().step_by(headers.len() / FILTER_RULES);
    let sources: Vec<_> = spread
        .take(FILTER_RULES)
        .map(|header| header.source)
        .collect();
    match XdpFilter::load(&sources) {
        Ok(Some(filter)) => Ok(Some(Target::new(case, "over_empty", filter.program())?)),
        Ok(None) => {
            skipped(case, &anyhow::anyhow!("xdp-tools is not installed"));
            Ok(None)
        }
        Err(error) => {
            skipped(case, &error);
            Ok(None)
        }
    }
}
