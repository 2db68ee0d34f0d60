//! `stormbolt apply`

use std::io::Write;
use std::path::{Path, PathBuf};

use super::exit::{Exit, explained_finding};
use super::format::counted;
use super::output::Output;
use super::progress::ShownProgress;
use super::table::printable;
use crate::api::client::Client;
use crate::api::documents::ChangedSet;
use crate::config::{self, Finding};

/// Puts a policy file into force.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Puts a policy file into force, as a whole: every packet sees the old policy or \
        the new one, never a mixture. If the policy is not valid, or this machine cannot run it, \
        the old one stays in force. Files that sets name are read here, not by the daemon.\n\n\
        Compiling a hundred thousand rules takes a second or two; what takes longer shows how far it \
        is. Ctrl-C gives it up, and the old policy stays in force.\n\n\
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
    // It opens no files for others either: what it gets is complete.
    let text = if loaded.set_files.is_empty() {
        text
    } else {
        config::to_toml(&loaded.policy)
    };
    let name = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let name = name.display().to_string();
    let mut shown = ShownProgress::on(std::io::stderr());
    let applied = Client::new(socket)?
        .put_policy_watched(&name, text, args.dry_run, |compiling| shown.show(compiling));
    shown.clear();
    let applied = applied?;
    let generation = applied.generation;
    output.write_all(loaded.warnings.render(output.style.colour).as_bytes())?;
    // What the daemon knows besides: it has the same text.
    let known = loaded.warnings.findings();
    let is_new = |one: &&Finding| known.iter().all(|known| known.message != one.message);
    for warning in applied.warnings.iter().filter(is_new) {
        let text = explained_finding(warning, output.style);
        output.write_all(text.as_bytes())?;
    }
    let verb = if args.dry_run { "would be " } else { "" };
    for set in &applied.changed_sets {
        writeln!(output, "{}", changed_set(set, verb))?;
    }
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

/// `set bogons: 12 prefixes added, 3 removed`.
pub(super) fn changed_set(set: &ChangedSet, verb: &str) -> String {
    let name = printable(&set.name);
    let (added, removed) = (set.added_prefixes, set.removed_prefixes);
    match set.change.as_str() {
        "defined" => format!(
            "set {name}: {verb}defined with {}",
            counted(added, "prefix", "prefixes")
        ),
        "deleted" => format!(
            "set {name}: {verb}deleted with {}",
            counted(removed, "prefix", "prefixes")
        ),
        _ => format!(
            "set {name}: {} {verb}added, {removed} {verb}removed",
            counted(added, "prefix", "prefixes")
        ),
    }
}
