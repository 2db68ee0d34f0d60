//! Rounds: every program of a group in turn, and the medians of what they cost.

use anyhow::{Result, ensure};

use super::line;
use crate::harness::{Front, Loaded, ProgramFd};
use crate::report::Report;
use crate::stats::median;

/// Headers, and the programs that are run with them.
pub(super) struct Subject {
    pub(super) front: Front,
    pub(super) targets: Vec<Target>,
}

/// One program under measurement.
pub(super) struct Target {
    case: String,
    metric: &'static str,
    program: ProgramFd,
    over_empty: Vec<f64>,
}

impl Target {
    pub(super) fn new(case: &str, metric: &'static str, program: &ProgramFd) -> Result<Self> {
        Ok(Self {
            case: case.to_owned(),
            metric,
            program: program.try_clone()?,
            over_empty: Vec::new(),
        })
    }
}

/// Measures everything `rounds` times and reports each program's median over the empty program.
pub(super) fn measure(
    subjects: &mut [Subject],
    rounds: u32,
    report: &mut Report<'_>,
) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    for round in 1..=rounds {
        eprint!("\rround {round} of {rounds}");
        for Subject { front, targets } in subjects.iter_mut() {
            let empty = front.time_empty()?;
            for target in targets {
                let time = front.time(&target.program)?;
                target.over_empty.push(time - empty);
            }
        }
    }
    eprintln!();
    for target in subjects.iter().flat_map(|subject| &subject.targets) {
        let value = median(&target.over_empty);
        report.add(line(&target.case, target.metric, value, "ns"))?;
    }
    Ok(())
}

/// Fails unless all packets met rules, where there are any: else something else was measured.
pub(super) fn check(loaded: &[Loaded]) -> Result<()> {
    for loaded in loaded {
        let (received, matched) = loaded.packets();
        let has_rules = loaded.has_rules();
        ensure!(
            received > 0 && (!has_rules || matched == received),
            "of {received} packets only {matched} met a rule: the figures are worth nothing"
        );
    }
    Ok(())
}
