//! How long a policy takes to come into force.

use anyhow::Result;
use xtask::rulesets::{Family, IpVersion, filters};

use super::{Options, line, skipped};
use crate::harness::Loaded;
use crate::policies::{Then, of_filters, with_one_rule_changed};
use crate::report::Report;
use crate::stats::{median, milliseconds};

/// Rules of the policy.
const RULES: usize = 100_000;

/// Measures a whole policy in the place of another one, and one changed rule.
pub(super) fn run(options: &Options, report: &mut Report<'_>) -> Result<()> {
    let wanted = ["apply-100k", "apply-one-of-100k"].map(|case| options.wants(case));
    if wanted == [false, false] {
        return Ok(());
    }
    eprintln!("preparing apply-100k");
    let rules = |seed| {
        of_filters(
            &filters(Family::Acl, IpVersion::V4, RULES, seed),
            Then::Pass,
        )
    };
    let (one, other) = (rules(options.seed), rules(options.seed + 1));
    let mut loaded = match Loaded::start(one.clone()) {
        Ok(loaded) => loaded,
        Err(error) => {
            skipped("apply-100k", &error);
            return Ok(());
        }
    };
    let (mut whole, mut single) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        eprint!("\rround {round} of {}", options.rounds);
        whole.push(milliseconds(loaded.apply(other.clone())?));
        loaded.apply(one.clone())?;
        let variant = u8::try_from(round % 250).unwrap_or(0);
        single.push(milliseconds(
            loaded.apply(with_one_rule_changed(&one, variant))?,
        ));
    }
    eprintln!();
    report.add(line("apply-100k", "time", median(&whole), "ms"))?;
    report.add(line("apply-one-of-100k", "time", median(&single), "ms"))?;
    Ok(())
}
