//! `stormbolt diff`

use std::io::Write;
use std::path::{Path, PathBuf};

use super::changing::Condition;
use super::differences;
use super::exit::Exit;
use super::output::{Format, Output};
use super::policy_file::read;

/// Shows what a policy file would change.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Shows what a policy file would change in the policy in force: what is added (+), removed (-) and \
        changed or moved (~). It does not matter how either is written. Ends with 0 if nothing differs, with 1 if \
        something does.",
    after_long_help = "Example:\n  stormbolt diff /etc/stormbolt/stormbolt.toml"
)]
pub(super) struct Args {
    /// The policy file.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let file = read(&args.file)?;
    let client = Condition::default().client(socket)?;
    let applied = client.put_policy(&file.name, file.text, true)?;
    let differs = !applied.changes.is_empty() || !applied.changed_sets.is_empty();
    match args.output {
        Format::Json => output.json(&applied)?,
        Format::Table if differs => {
            differences::show(&applied, output)?;
        }
        Format::Table => writeln!(output, "no difference to generation {}", applied.generation)?,
    }
    Ok(if differs { Exit::Failed } else { Exit::Done })
}
