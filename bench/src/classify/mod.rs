//! The benchmark `classify`: what rules and sets of any size cost.

mod applying;
mod link;
mod measure;
mod rules;
mod sets;
mod sources;

use anyhow::{Context as _, Result, ensure};
use nix::unistd::Uid;
use stormbolt::lab;
use xtask::rulesets::{Family, IpVersion};

use crate::report::{Line, Report};

/// Which cases are measured, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Beginnings of the names of the cases to measure; all if empty.
    pub cases: Vec<String>,
    /// How many rounds the median is taken of.
    pub rounds: u32,
    /// What everything random is drawn from.
    pub seed: u64,
}

impl Options {
    /// Whether the case `name` is to be measured.
    fn wants(&self, name: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// Measures all cases that are wanted, group by group; within a group in turn.
///
/// A case that cannot be measured, because it exceeds a limit or a peer is not installed, is named
/// on standard error with the reason.
///
/// # Errors
/// The caller is not root, nothing could be measured, or the output cannot be written to.
pub fn run(options: &Options, report: &mut Report<'_>) -> Result<()> {
    ensure!(Uid::effective().is_root(), "needs root: run it with sudo");
    let cpus = stay_on_one_cpu()?;
    applying::run(options, report)?;
    for version in [IpVersion::V4, IpVersion::V6] {
        for family in Family::ALL {
            rules::run(options, family, version, report)?;
        }
    }
    for version in [IpVersion::V4, IpVersion::V6] {
        sets::run(options, version, report)?;
    }
    link::run(options, cpus, report)?;
    ensure!(!report.lines().is_empty(), "nothing was measured");
    Ok(())
}

/// The sizes of rule sets, with how they are written; none for what the program costs without.
const RULES: [(&str, usize); 4] = [
    ("none", 0),
    ("1k", 1000),
    ("10k", 10_000),
    ("100k", 100_000),
];
/// The sizes of sets of prefixes.
const PREFIXES: [(&str, usize); 3] = [("1k", 1000), ("100k", 100_000), ("1m", 1_000_000)];

/// A value of this benchmark.
fn line(case: &str, metric: &'static str, value: f64, unit: &'static str) -> Line {
    Line {
        bench: "classify",
        case: case.to_owned(),
        metric,
        value,
        unit,
    }
}

/// Says on standard error why a case is missing from the output.
fn skipped(case: &str, reason: &anyhow::Error) {
    eprintln!("skipped {case}: {reason:#}");
}

/// Binds this thread to the last CPU, away from the first, which has most of the interrupts, and
/// says how many there are.
fn stay_on_one_cpu() -> Result<usize> {
    let cpus = std::thread::available_parallelism()?.get();
    lab::keep_to([cpus - 1]).context("cannot stay on one CPU")?;
    lab::prefer().context("cannot go before other processes")?;
    Ok(cpus)
}
