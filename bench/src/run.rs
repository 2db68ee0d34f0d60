//! One run of a benchmark: which cases are wanted, and where their values go.

use std::io;

use anyhow::{Context as _, Result, ensure};
use nix::unistd::Uid;
use stormbolt::lab;

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

/// A benchmark.
#[derive(Clone, Copy, Debug)]
pub struct Benchmark {
    name: &'static str,
    measure: fn(&mut Run<'_, '_>) -> Result<()>,
}

impl Benchmark {
    /// The benchmark `name`, of which `measure` measures the cases that are wanted.
    pub(crate) const fn new(
        name: &'static str,
        measure: fn(&mut Run<'_, '_>) -> Result<()>,
    ) -> Self {
        Self { name, measure }
    }

    /// Measures all cases that are wanted, group by group; within a group in turn.
    ///
    /// A case that cannot be measured, because it exceeds a limit or a peer is not installed, is
    /// named on standard error with the reason. The calling thread stays on the last CPU for good.
    ///
    /// # Errors
    /// The caller is not root, nothing could be measured, something else than what a case says was
    /// measured, or the output cannot be written to.
    pub fn run(&self, options: &Options, report: &mut Report<'_>) -> Result<()> {
        ensure!(Uid::effective().is_root(), "needs root: run it with sudo");
        let cpus = stay_on_one_cpu()?;
        let mut run = Run {
            bench: self.name,
            options,
            report,
            cpus,
            listed: None,
        };
        (self.measure)(&mut run)?;
        ensure!(!report.lines().is_empty(), "nothing was measured");
        Ok(())
    }

    /// The names of all cases, in order.
    ///
    /// # Errors
    /// None, as long as nothing is measured that nobody wants.
    pub fn cases(&self) -> Result<Vec<String>> {
        let options = Options {
            cases: Vec::new(),
            rounds: 1,
            seed: 1,
        };
        let mut nowhere = io::sink();
        let mut run = Run {
            bench: self.name,
            options: &options,
            report: &mut Report::new(true, &mut nowhere),
            cpus: 0,
            listed: Some(Vec::new()),
        };
        (self.measure)(&mut run)?;
        Ok(run.listed.unwrap_or_default())
    }
}

/// One run of a benchmark.
pub(crate) struct Run<'a, 'b> {
    bench: &'static str,
    options: &'a Options,
    report: &'a mut Report<'b>,
    cpus: usize,
    /// The names of the cases that were asked for, if none is wanted but their names.
    listed: Option<Vec<String>>,
}

impl Run<'_, '_> {
    /// Whether the case `name` is to be measured.
    pub(crate) fn wants(&mut self, name: &str) -> bool {
        if let Some(listed) = &mut self.listed {
            listed.push(name.to_owned());
            return false;
        }
        let cases = &self.options.cases;
        cases.is_empty() || cases.iter().any(|prefix| name.starts_with(prefix))
    }

    /// How many rounds the median is taken of.
    pub(crate) fn rounds(&self) -> u32 {
        self.options.rounds
    }

    /// What everything random is drawn from.
    pub(crate) fn seed(&self) -> u64 {
        self.options.seed
    }

    /// CPUs of this machine.
    pub(crate) fn cpus(&self) -> usize {
        self.cpus
    }

    /// Takes a value.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub(crate) fn add(
        &mut self,
        case: &str,
        metric: &'static str,
        value: f64,
        unit: &'static str,
    ) -> Result<()> {
        Ok(self.report.add(Line {
            bench: self.bench,
            case: case.to_owned(),
            metric,
            value,
            unit,
        })?)
    }
}

/// Says on standard error which case is prepared.
pub(crate) fn preparing(case: &str) {
    eprintln!("preparing {case}");
}

/// Says on standard error which round begins; the last one ends the line.
pub(crate) fn in_round(round: u32, rounds: u32) {
    let end = if round == rounds { "\n" } else { "" };
    eprint!("\rround {round} of {rounds}{end}");
}

/// Says on standard error why a case is missing from the output.
pub(crate) fn skipped(case: &str, reason: &anyhow::Error) {
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
