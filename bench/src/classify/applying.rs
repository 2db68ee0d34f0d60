//! How long a policy takes to come into force.

use anyhow::Result;
use xtask::rulesets::{Family, IpVersion, filters};

use crate::harness::Loaded;
use crate::policies::{Then, of_filters, with_one_rule_changed};
use crate::run::{Run, in_round, preparing, skipped};
use crate::stats::{median, milliseconds};

/// Rules of the policy.
const RULES: usize = 100_000;

/// Measures a whole policy in the place of another one, and one changed rule.
pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    let wanted = ["apply-100k", "apply-one-of-100k"].map(|case| run.wants(case));
    if wanted == [false, false] {
        return Ok(());
    }
    preparing("apply-100k");
    let rules = |seed| {
        of_filters(
            &filters(Family::Acl, IpVersion::V4, RULES, seed),
            Then::Pass,
        )
    };
    let (one, other) = (rules(run.seed()), rules(run.seed() + 1));
    let mut loaded = match Loaded::start(one.clone()) {
        Ok(loaded) => loaded,
        Err(error) => {
            skipped("apply-100k", &error);
            return Ok(());
        }
    };
    let (mut whole, mut single) = (Vec::new(), Vec::new());
    for round in 1..=run.rounds() {
        in_round(round, run.rounds());
        whole.push(milliseconds(loaded.apply(other.clone())?));
        loaded.apply(one.clone())?;
        let variant = u8::try_from(round % 250).unwrap_or(0);
        single.push(milliseconds(
            loaded.apply(with_one_rule_changed(&one, variant))?,
        ));
    }
    run.add("apply-100k", "time", median(&whole), "ms")?;
    run.add("apply-one-of-100k", "time", median(&single), "ms")
}
