//! `stormbolt demo`

use std::time::Duration;

use super::exit::Exit;
use super::output::Output;
use crate::demo::{self, Options};

/// Shows the whole at work, in a lab on this machine.
#[derive(Clone, Debug, clap::Args)]
#[command(
    long_about = "Shows StormBolt at work on real traffic, in a lab that it builds out of network \
        namespaces on this machine: nothing leaves it, and nothing is left behind.\n\n\
        Four phases: everybody fits; bulk traffic floods; the policy is changed meanwhile; the same \
        flood without StormBolt. Ends with 0 only if the critical class kept what it is guaranteed. \
        Needs root.",
    after_long_help = "Example:\n  sudo stormbolt demo --duration 60"
)]
pub struct Args {
    /// How long all phases take together.
    #[arg(long, value_name = "SECONDS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(8..=86_400))]
    pub duration: u64,

    /// Print one JSON document at the end and nothing else.
    #[arg(long)]
    pub json: bool,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let options = Options {
        duration: Duration::from_secs(args.duration),
        json: args.json,
        terminal: output.terminal,
        colour: output.style.colour,
    };
    let held = demo::run(options, output)?;
    Ok(if held { Exit::Done } else { Exit::Failed })
}
