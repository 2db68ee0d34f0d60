//! `stormbolt apply`

use std::io::Write;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::output::Output;
use crate::api::client::Client;
use crate::config;

/// Puts a policy file into force.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Puts a policy file into force, as a whole: every packet sees the old policy or \
        the new one, never a mixture. If the policy is not valid, or this machine cannot run it, \
        the old one stays in force.\n\n\
        It holds until the daemon ends: that starts with its own policy file again.",
    after_long_help = "Example:\n  sudo stormbolt apply --dry-run policy.toml\n  \
        sudo stormbolt apply policy.toml"
)]
pub(super) struct Args {
    /// The policy file.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Let the daemon check it, but change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    // Checked here first: the daemon has not got the text to show.
    let (loaded, text) = config::load(&args.file)?;
    let name = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let name = name.display().to_string();
    let applied = Client::new(socket)?.put_policy(&name, text, args.dry_run)?;
    let generation = applied.generation;
    output.write_all(loaded.warnings.render(output.style.colour).as_bytes())?;
    if args.dry_run {
        writeln!(
            output,
            "valid, nothing applied: generation {generation} stays in force"
        )?;
    } else {
        writeln!(output, "applied, generation {generation}")?;
    }
    Ok(Exit::Done)
}
