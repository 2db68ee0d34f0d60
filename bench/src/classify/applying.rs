//! How long a policy takes to come into force, as a whole and where little of it changes.

use anyhow::Result;
use stormbolt_control::policy::Policy;
use xtask::rulesets::{Family, IpVersion, filters, prefixes};

use crate::harness::Loaded;
use crate::policies::{Then, of_filters, of_set, with_one_rule_changed, with_ten_prefixes_changed};
use crate::run::{Run, in_round, preparing, skipped};
use crate::stats::{median, milliseconds};

/// Measures a whole policy in the place of another one, one changed rule, and ten changed prefixes.
pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    whole(run)?;
    for (case, count) in [("apply-one-of-1k", 1000), ("apply-one-of-100k", 100_000)] {
        let policy = |seed| rules(count, seed);
        changes(run, case, policy, with_one_rule_changed)?;
    }
    for (case, count) in [
        ("apply-ten-of-set4-1k", 1000),
        ("apply-ten-of-set4-1m", 1_000_000),
    ] {
        let policy = |seed| {
            let set = prefixes(IpVersion::V4, count, seed);
            of_set(&set, Then::Pass, Then::Pass)
        };
        changes(run, case, policy, with_ten_prefixes_changed)?;
    }
    Ok(())
}

fn rules(count: usize, seed: u64) -> Policy {
    let filters = filters(Family::Acl, IpVersion::V4, count, seed);
    of_filters(&filters, Then::Pass)
}

/// A policy in the place of one that has no rule in common with it.
fn whole(run: &mut Run<'_, '_>) -> Result<()> {
    let case = "apply-100k";
    if !run.wants(case) {
        return Ok(());
    }
    preparing(case);
    let (one, other) = (rules(100_000, run.seed()), rules(100_000, run.seed() + 1));
    let Some(mut loaded) = start(case, &one) else {
        return Ok(());
    };
    let mut times = Vec::new();
    for round in 1..=run.rounds() {
        in_round(round, run.rounds());
        times.push(milliseconds(loaded.apply(other.clone())?));
        times.push(milliseconds(loaded.apply(one.clone())?));
    }
    run.add(case, "time", median(&times), "ms")
}

/// A policy in the place of one that differs little.
fn changes(
    run: &mut Run<'_, '_>,
    case: &str,
    policy: impl Fn(u64) -> Policy,
    change: impl Fn(&Policy, u8) -> Policy,
) -> Result<()> {
    if !run.wants(case) {
        return Ok(());
    }
    preparing(case);
    let policy = policy(run.seed());
    let Some(mut loaded) = start(case, &policy) else {
        return Ok(());
    };
    let mut times = Vec::new();
    for round in 1..=run.rounds() {
        in_round(round, run.rounds());
        let variant = u8::try_from(round % 250).unwrap_or(0);
        let changed = change(&policy, variant);
        times.push(milliseconds(loaded.apply(changed)?));
    }
    run.add(case, "time", median(&times), "ms")
}

fn start(case: &str, policy: &Policy) -> Option<Loaded> {
    Loaded::start(policy.clone())
        .map_err(|error| skipped(case, &error))
        .ok()
}
