//! `stormbolt-bench NAME`: runs a benchmark; `cargo xtask bench` builds and starts it.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stormbolt_bench::report::Report;
use stormbolt_bench::{CLASSIFY, Options, PIPELINE, RATE, REST, TICK, run_as_daemon};

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
    /// The whole program: every stage, with a thousand rules.
    Pipeline(Args),
    /// Rates: how exactly they are held, beside peers, and what that costs a packet.
    Rate(Args),
    /// The daemon at rest: what it takes of a core and of memory.
    Rest(Args),
    /// The controller: what an interval takes the daemon.
    Tick(Args),
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
    /// Print the names of all cases, and measure none.
    #[arg(long, exclusive = true)]
    list: bool,
    /// What rule sets, prefixes and headers are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    fn options(&self) -> Options {
        Options {
            cases: self.cases.clone(),
            rounds: self.rounds.unwrap_or(if self.quick { 3 } else { 9 }),
            seed: self.seed,
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    if let Some(ended) = run_as_daemon() {
        return Ok(ended);
    }
    measure(Cli::parse().bench)?;
    Ok(ExitCode::SUCCESS)
}

fn measure(bench: Bench) -> anyhow::Result<()> {
    let (benchmark, args) = match bench {
        Bench::Classify(args) => (CLASSIFY, args),
        Bench::Pipeline(args) => (PIPELINE, args),
        Bench::Rate(args) => (RATE, args),
        Bench::Rest(args) => (REST, args),
        Bench::Tick(args) => (TICK, args),
    };
    let mut out = io::stdout().lock();
    if args.list {
        for case in benchmark.cases()? {
            writeln!(out, "{case}")?;
        }
        return Ok(());
    }
    let mut report = Report::new(args.json, &mut out);
    benchmark.run(&args.options(), &mut report)?;
    report.finish()?;
    Ok(())
}
