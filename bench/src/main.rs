//! `stormbolt-bench NAME`: runs a benchmark; `cargo xtask bench` builds and starts it.

use std::io;

use clap::{Parser, Subcommand};
use stormbolt_bench::classify;
use stormbolt_bench::report::Report;

/// Measures StormBolt's data path and its peers on this machine.
///
/// It needs root. It sends nothing outside the namespaces that it makes, and nothing that it makes
/// outlives it, however it ends.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Classification: the cost of rules and sets of any size, per packet and to apply.
    Classify(Args),
}

#[derive(Debug, clap::Args)]
struct Args {
    /// Print one JSON object a line, as soon as each value is known, instead of a table.
    #[arg(long)]
    json: bool,
    /// Three rounds instead of nine: for a first look.
    #[arg(long)]
    quick: bool,
    /// How many rounds the median is taken of.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Measure only the cases whose names begin like this; several may be given.
    #[arg(long = "case", value_name = "PREFIX")]
    cases: Vec<String>,
    /// What rule sets, prefixes and headers are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    fn options(&self) -> classify::Options {
        classify::Options {
            cases: self.cases.clone(),
            rounds: self.rounds.unwrap_or(if self.quick { 3 } else { 9 }),
            seed: self.seed,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let Bench::Classify(args) = Cli::parse().bench;
    let mut out = io::stdout().lock();
    let mut report = Report::new(args.json, &mut out);
    classify::run(&args.options(), &mut report)?;
    report.finish()?;
    Ok(())
}
