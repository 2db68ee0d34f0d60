//! Rule sets like those of routers and firewalls.

use anyhow::Result;
use stormbolt_common::bench::BENCH_HEADERS;
use stormbolt_control::policy::Policy;
use xtask::rulesets::{Family, Filter, Header, IpVersion, filters, headers};

use super::loading;
use crate::harness::Loaded;
use crate::peers::{XDP_FILTER, add_xdp_filter};
use crate::policies::{Then, of_filters};
use crate::rounds::{self, Meets, NEW_FLOWS, OVER_EMPTY, Subject, TREES, WITH_POLICE};
use crate::run::{Run, preparing, skipped};

/// The sizes of rule sets, with how they are written; none for what the program costs without.
const SIZES: [(&str, usize); 4] = [
    ("none", 0),
    ("1k", 1000),
    ("10k", 10_000),
    ("100k", 100_000),
];
/// The case that the peer with rules for addresses is run beside.
const BESIDE_PEER: &str = "acl-1k";

/// Measures the rule sets of one family, all sizes in turn.
pub(super) fn measure(run: &mut Run<'_, '_>, family: Family, version: IpVersion) -> Result<()> {
    let mut subjects = Vec::new();
    for (size, count) in SIZES {
        let case = match version {
            IpVersion::V4 => format!("{family}-{size}"),
            IpVersion::V6 => format!("{family}6-{size}"),
        };
        let itself = run.wants(&case);
        let peer = case == BESIDE_PEER && run.wants(XDP_FILTER);
        if !itself && !peer {
            continue;
        }
        preparing(&case);
        let rule_set = RuleSet::draw(family, version, count, run.seed());
        let mut subject = Subject::new(&rule_set.headers, version)?;
        if itself {
            rule_set.add_to(&mut subject, run, &case)?;
        }
        if peer {
            add_xdp_filter(&mut subject, &rule_set.headers)?;
        }
        subjects.push(subject);
    }
    rounds::measure(run, &mut subjects)
}

/// Filters, and headers that they match.
struct RuleSet {
    filters: Vec<Filter>,
    headers: Vec<Header>,
}

impl RuleSet {
    fn draw(family: Family, version: IpVersion, count: usize, seed: u64) -> Self {
        let wanted = usize::try_from(BENCH_HEADERS).unwrap_or(0);
        // Without rules, headers like those of the smallest rule set.
        let drawn = if count == 0 { 1000 } else { count };
        let mut filters = filters(family, version, drawn, seed);
        let headers = headers(&filters, wanted, seed);
        filters.truncate(count);
        Self { filters, headers }
    }

    /// Loads the rules twice, to pass packets and to police them, unless they exceed a limit.
    fn add_to(&self, subject: &mut Subject, run: &mut Run<'_, '_>, case: &str) -> Result<()> {
        let meets = if self.filters.is_empty() {
            Meets::Nothing
        } else {
            Meets::Rules
        };
        match self.load(run, case) {
            Ok([passing, policing]) => {
                subject.add(case, passing, &[OVER_EMPTY, NEW_FLOWS, TREES], meets)?;
                subject.add(case, policing, &[WITH_POLICE], meets)?;
            }
            Err(error) => skipped(case, &error),
        }
        Ok(())
    }

    fn load(&self, run: &mut Run<'_, '_>, case: &str) -> Result<[Loaded; 2]> {
        let policy = of_filters(&self.filters, Then::Pass);
        let passing = loading::measure(run, case, reversed(policy.clone()), policy)?;
        let policing = Loaded::start(of_filters(&self.filters, Then::Police))?;
        Ok([passing, policing])
    }
}

/// A policy in which every rule has moved.
fn reversed(mut policy: Policy) -> Policy {
    policy.rules.reverse();
    policy
}
