//! `stormbolt man`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::Cli;
use super::exit::Exit;
use super::output::Output;

/// Writes the manual pages.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Writes the manual pages: all of them into a directory, or the one of `stormbolt` \
        itself to standard output. The Debian package has them in place.",
    after_long_help = "Examples:\n  \
        stormbolt man | man -l -\n  \
        sudo stormbolt man /usr/local/share/man/man1"
)]
pub(super) struct Args {
    /// Where the pages go, one per command: `stormbolt.1`, `stormbolt-run.1` and so on.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    command.build();
    match &args.directory {
        None => output.write_all(&page(&command)?)?,
        Some(directory) => {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
            write_pages(&command, directory)?;
        }
    }
    Ok(Exit::Done)
}

/// Writes the page of `command` and those of its subcommands.
fn write_pages(command: &Command, directory: &Path) -> anyhow::Result<()> {
    if command.is_hide_set() {
        return Ok(());
    }
    let path = directory.join(Man::new(command.clone()).get_filename());
    fs::write(&path, page(command)?).with_context(|| format!("cannot write {}", path.display()))?;
    command
        .get_subcommands()
        .try_for_each(|subcommand| write_pages(subcommand, directory))
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    Ok(text)
}
