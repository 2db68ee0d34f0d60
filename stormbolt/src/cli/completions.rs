//! `stormbolt completions`

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use super::exit::Exit;
use super::output::Output;

/// Prints what a shell needs to complete commands, options and values.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Prints what a shell needs to complete commands, options and values. The Debian \
        package has it in place for bash, fish and zsh.",
    after_long_help = "Examples:\n  \
        source <(stormbolt completions bash)\n  \
        stormbolt completions fish > ~/.config/fish/completions/stormbolt.fish"
)]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    // Straight into the output a closed pipe would be a panic of the generator.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "stormbolt", &mut script);
    output.write_all(&script)?;
    Ok(Exit::Done)
}
