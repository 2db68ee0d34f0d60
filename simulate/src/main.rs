//! `stormbolt-simulate [SCENARIO...]`: runs scenarios, draws them and prints their figures; `cargo xtask
//! simulate` builds and starts it.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use stormbolt::config::{LoadError, load, render};
use stormbolt_control::policy::Law;
use stormbolt_simulate::{
    Figures, Scenario, built_in, draw, draw_followed, follow_link, followed_table, names, recorded,
    run, tables, tick_cost,
};

/// Drives the real controller over generated or recorded demand.
///
/// Writes a drawing of each scenario, SCENARIO.svg, and prints its figures. docs/simulation.md says how
/// the data path is modelled and what the figures mean.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask simulate", bin_name = "cargo xtask simulate")]
struct Cli {
    /// What to simulate; all if none is named.
    #[arg(value_name = "SCENARIO", value_parser = PossibleValuesParser::new(names()))]
    scenarios: Vec<String>,

    /// By which law, whatever the policies say.
    #[arg(long, value_parser = PossibleValuesParser::new(Law::ALL.map(Law::name)))]
    law: Option<String>,

    /// The folder that drawings are written to.
    #[arg(long, value_name = "DIR", default_value = "target/simulation")]
    out: PathBuf,

    /// Demand that was recorded, as CSV with the columns that docs/simulation.md names.
    #[arg(
        long,
        value_name = "FILE",
        requires = "policy",
        conflicts_with = "scenarios"
    )]
    demand: Option<PathBuf>,

    /// The policy whose classes the recorded demand is of.
    #[arg(long, value_name = "FILE", requires = "demand")]
    policy: Option<PathBuf>,

    /// Simulate a capacity that follows its link instead.
    #[arg(long, conflicts_with_all = ["scenarios", "law", "demand", "policy", "speed"])]
    adaptive: bool,

    /// Measure what a tick of the controller costs instead.
    #[arg(long, exclusive = true)]
    speed: bool,
}

fn main() -> ExitCode {
    // One line, also where backtraces are wanted of panics.
    simulate(&Cli::parse()).map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn simulate(cli: &Cli) -> Result<()> {
    let mut out = io::stdout().lock();
    if cli.speed {
        for classes in [1_000, 100_000] {
            for law in Law::ALL {
                for groups in [false, true] {
                    let (median, longest) = tick_cost(classes, law, groups);
                    writeln!(
                        out,
                        "{classes} classes, {}{}: a tick takes {median} µs, {longest} µs at most",
                        law.name(),
                        if groups { ", a tenth in groups" } else { "" }
                    )?;
                }
            }
        }
        return Ok(());
    }
    std::fs::create_dir_all(&cli.out)
        .with_context(|| format!("cannot make the folder {}", cli.out.display()))?;
    if cli.adaptive {
        let run = follow_link()?;
        let path = cli.out.join("adaptive.svg");
        std::fs::write(&path, draw_followed(&run)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(out, "{}drawn in {}", followed_table(&run), path.display())?;
        return Ok(());
    }
    for (number, mut scenario) in scenarios(cli)?.into_iter().enumerate() {
        let mut file = scenario.name.clone();
        if let Some(law) = &cli.law {
            let chosen = Law::ALL.into_iter().find(|one| one.name() == law);
            scenario.policy.law = chosen.unwrap_or_default();
            file = format!("{file}-{law}");
        }
        let record = run(&scenario);
        let figures = Figures::of(&scenario, &record);
        let path = cli.out.join(format!("{file}.svg"));
        std::fs::write(&path, draw(&scenario, &record)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let gap = if number == 0 { "" } else { "\n" };
        writeln!(
            out,
            "{gap}{}drawn in {}",
            tables(&scenario, &figures),
            path.display()
        )?;
    }
    Ok(())
}

fn scenarios(cli: &Cli) -> Result<Vec<Scenario>> {
    if let (Some(demand), Some(policy)) = (&cli.demand, &cli.policy) {
        let (loaded, _) = load(policy).map_err(|error| match error {
            LoadError::Policy(ref error) => {
                anyhow::anyhow!("{}", render(error, false))
            }
            LoadError::Read { .. } | LoadError::TooLarge { .. } | LoadError::NotText { .. } => {
                error.into()
            }
        })?;
        let name = demand.file_stem().unwrap_or_default().to_string_lossy();
        return Ok(vec![Scenario {
            name: name.clone().into_owned(),
            title: format!("demand recorded in {}", demand.display()),
            demand: recorded(demand, &loaded.policy)?,
            policy: loaded.policy,
        }]);
    }
    let chosen: Vec<&str> = if cli.scenarios.is_empty() {
        names().to_vec()
    } else {
        cli.scenarios.iter().map(String::as_str).collect()
    };
    let found = chosen.into_iter().map(|name| match built_in(name)? {
        Some(scenario) => Ok(scenario),
        None => bail!("there is no scenario `{name}`"),
    });
    found.collect()
}
