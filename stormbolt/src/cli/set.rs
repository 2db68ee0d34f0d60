//! `stormbolt set`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::apply::changed_set;
use super::changing::{Condition, Told};
use super::exit::Exit;
use super::format::counted;
use super::output::Output;
use crate::api::documents::{Applied, SetChange};
use crate::config::{self, PrefixFileError, Report};

/// Adds prefixes to a set, or deletes some.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  sudo stormbolt set add blocked 192.0.2.0/24 2001:db8::1\n  \
        sudo stormbolt set del blocked 192.0.2.0/24"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(Add),
    Del(Del),
}

/// Adds prefixes to a set while traffic flows.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Adds prefixes to a set of the policy in force while traffic flows, all of them or \
        none. Nothing but the set is read and compiled again. Prefixes that are in the \
        set already do no harm.\n\n\
        It outlives the daemon: it is written into the policy file that the daemon was started with.",
    after_long_help = "Example:\n  sudo stormbolt set add blocked 192.0.2.0/24 2001:db8::1\n  \
        sudo stormbolt set add blocked --file feed.txt      one prefix or address a line\n  \
        curl -s https://example.net/feed | sudo stormbolt set add blocked --file /dev/stdin"
)]
struct Add {
    #[command(flatten)]
    given: Given,
}

/// Deletes prefixes from a set while traffic flows.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Deletes prefixes from a set of the policy in force while traffic flows, all of them \
        or none. A prefix is deleted as it stands in the set: deleting 192.0.2.7 does not cut a hole into \
        192.0.2.0/24, and deleting that leaves 192.0.2.7 where it is there on its own. Prefixes that are \
        not in the set do no harm.\n\n\
        It outlives the daemon: it is written into the policy file that the daemon was started with.",
    after_long_help = "Example:\n  sudo stormbolt set del blocked 192.0.2.0/24\n  \
        sudo stormbolt set del blocked --file expired.txt   one prefix or address a line"
)]
struct Del {
    #[command(flatten)]
    given: Given,
}

#[derive(Debug, clap::Args)]
struct Given {
    /// The set.
    #[arg(value_name = "NAME")]
    name: String,

    /// Prefixes and addresses; an address stands for itself alone.
    #[arg(value_name = "PREFIX", required_unless_present = "file")]
    prefixes: Vec<String>,

    /// A file with more of them, one a line; `#` begins a comment.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    condition: Condition,

    #[command(flatten)]
    told: Told,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let (given, is_add) = match &args.command {
        Command::Add(Add { given }) => (given, true),
        Command::Del(Del { given }) => (given, false),
    };
    let (prefixes, warnings) = prefixes(given)?;
    if let Some(warnings) = &warnings
        && !given.told.is_document()
    {
        output.write_all(warnings.render(output.style.colour).as_bytes())?;
    }
    let mut change = SetChange::default();
    *(if is_add {
        &mut change.add
    } else {
        &mut change.remove
    }) = prefixes;
    let mut applied = given
        .condition
        .client(socket)?
        .patch_set(&given.name, &change)?;
    if let Some(warnings) = warnings
        && given.told.is_document()
    {
        applied.warnings.splice(..0, warnings.findings());
    }
    given
        .told
        .tell(&applied, output, |output| report(&applied, is_add, output))
}

/// What the arguments name, and what is in the file: that is read here, not by the daemon.
fn prefixes(given: &Given) -> anyhow::Result<(Vec<String>, Option<Report>)> {
    let mut prefixes = given.prefixes.clone();
    let mut warnings = None;
    if let Some(file) = &given.file {
        let (read, found) =
            config::load_prefixes(file, &given.name).map_err(|error| match error {
                PrefixFileError::File(error) => anyhow::Error::from(error),
                PrefixFileError::Prefixes(error) => error.into(),
            })?;
        warnings = Some(found);
        prefixes.extend(read.iter().map(ToString::to_string));
    }
    Ok((prefixes, warnings))
}

fn report(applied: &Applied, is_add: bool, output: &mut Output<'_>) -> io::Result<()> {
    let generation = applied.generation;
    let unchanged = applied.unchanged_prefixes.unwrap_or(0);
    if unchanged > 0 {
        let already = if is_add { "there already" } else { "not there" };
        let verb = if unchanged == 1 { "was" } else { "were" };
        let count = counted(unchanged, "prefix", "prefixes");
        writeln!(output, "{count} {verb} {already}")?;
    }
    for set in &applied.changed_sets {
        writeln!(output, "{}", changed_set(set, ""))?;
    }
    if applied.changed_sets.is_empty() {
        writeln!(
            output,
            "nothing to change: generation {generation} stays in force"
        )?;
    } else {
        writeln!(output, "applied, generation {generation}")?;
    }
    Ok(())
}
