//! `stormbolt apply`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::changing::{Condition, warn};
use super::differences;
use super::exit::Exit;
use super::format::{self, counted};
use super::output::{Format, Output};
use super::policy_file::read;
use super::progress::ShownProgress;
use super::table::printable;
use crate::api::client::HowToPut;
use crate::api::documents::ChangedSet;
use crate::config::Finding;
use crate::config::units::parse_time;

/// Puts a policy file into force.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Puts a policy file into force, as a whole: every packet sees the old policy or \
        the new one, never a mixture. If the policy is not valid, or this machine cannot run it, \
        the old one stays in force. Files that sets name are read here, not by the daemon.\n\n\
        Compiling a hundred thousand rules takes a second or two; what takes longer shows how far it \
        is. Ctrl-C gives it up, and the old policy stays in force.\n\n\
        It outlives the daemon: the policy file that the daemon was started with says the same afterwards, comments \
        and all, unless it was changed by hand meanwhile. With --confirm the old policy comes back by itself \
        unless `stormbolt confirm` comes in time. From an SSH session that the policy would cut off, nothing else is \
        accepted. `stormbolt rollback` brings the policy before back.",
    after_long_help = "Example:\n  sudo stormbolt apply --dry-run policy.toml\n  \
        sudo stormbolt apply --confirm 30s policy.toml && sudo stormbolt confirm"
)]
pub(super) struct Args {
    /// The policy file.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Let the daemon check it and show what would change, but change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Bring the old policy back after this time, such as 30s, unless `stormbolt confirm` comes before.
    #[arg(long, value_name = "TIME", value_parser = confirm_time, conflicts_with = "dry_run")]
    confirm: Option<Duration>,

    /// What to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,

    #[command(flatten)]
    condition: Condition,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let file = read(&args.file)?;
    let how = HowToPut {
        dry_run: args.dry_run,
        confirm: args.confirm,
    };
    let mut shown = ShownProgress::on(std::io::stderr());
    let client = args.condition.client(socket)?;
    let applied = client.put_policy_watched(&file.name, file.text, how, |compiling| {
        shown.show(compiling);
    });
    shown.clear();
    let applied = applied?;
    if args.output == Format::Json {
        output.json(&applied)?;
        return Ok(Exit::Done);
    }
    let generation = applied.generation;
    output.write_all(file.warnings.render(output.style.colour).as_bytes())?;
    // What the daemon knows besides: it has the same text.
    let known = file.warnings.findings();
    let is_new = |one: &Finding| known.iter().all(|known| known.message != one.message);
    let new: Vec<Finding> = applied
        .warnings
        .iter()
        .filter(|one| is_new(one))
        .cloned()
        .collect();
    warn(&new, output)?;
    if args.dry_run {
        differences::show(&applied, output)?;
        writeln!(
            output,
            "valid, nothing applied: generation {generation} stays in force"
        )?;
        return Ok(Exit::Done);
    }
    for set in &applied.changed_sets {
        writeln!(output, "{}", changed_set(set, ""))?;
    }
    writeln!(output, "applied, generation {generation}")?;
    if let Some(seconds) = applied.confirm_within_seconds {
        writeln!(
            output,
            "it is undone in {} unless `stormbolt confirm` comes",
            format::seconds(seconds)
        )?;
    }
    Ok(Exit::Done)
}

fn confirm_time(text: &str) -> Result<Duration, String> {
    let time = parse_time(text).map_err(|error| format!("{error}; {}", error.help()))?;
    let seconds = time.0 / 1_000_000_000;
    if (1..=86_400).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err("it is from 1s to a day".to_owned())
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
