//! `stormbolt confirm`, `rollback`, `reload` and `export`

use std::io::{self, Write};
use std::path::Path;

use super::apply::changed_set;
use super::changing::{Condition, Told};
use super::exit::Exit;
use super::output::Output;
use crate::api::client::Client;
use crate::api::documents::Applied;

/// Keeps the policy that waits to be confirmed.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Keeps the policy that was put into force with `apply --confirm`. Until then it is undone when its \
        time is over, or when the daemon starts again.",
    after_long_help = "Example:\n  sudo stormbolt apply --confirm 30s policy.toml\n  sudo stormbolt confirm"
)]
pub(super) struct ConfirmArgs {
    #[command(flatten)]
    condition: Condition,

    #[command(flatten)]
    told: Told,
}

/// Brings an earlier policy back.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Brings an earlier policy back, under a new generation: that with the given number, or the one \
        before the policy in force; again, the one before that. `stormbolt show history` lists the last twenty. A \
        policy that waits to be confirmed is undone.",
    after_long_help = "Example:\n  sudo stormbolt rollback\n  sudo stormbolt rollback 17"
)]
pub(super) struct RollbackArgs {
    /// The generation.
    #[arg(value_name = "N")]
    generation: Option<u32>,

    #[command(flatten)]
    condition: Condition,

    #[command(flatten)]
    told: Told,
}

/// Puts the daemon's policy file into force.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Lets the daemon read its policy file again and puts it into force, as SIGHUP does. If it is not \
        valid, the old policy stays in force.",
    after_long_help = "Example:\n  sudo stormbolt reload"
)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    condition: Condition,

    #[command(flatten)]
    told: Told,
}

/// Prints the policy in force, or an earlier one.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Prints the policy in force as a policy file with all keys that count and all prefixes of sets; \
        it can be applied again. Earlier policies are printed as they were written.",
    after_long_help = "Example:\n  sudo stormbolt export > policy.toml\n  sudo stormbolt export 17"
)]
pub(super) struct ExportArgs {
    /// The generation of an earlier policy.
    #[arg(value_name = "N")]
    generation: Option<u32>,
}

pub(super) fn confirm(
    args: &ConfirmArgs,
    socket: &Path,
    output: &mut Output<'_>,
) -> anyhow::Result<Exit> {
    let confirmed = args.condition.client(socket)?.post("/v1/confirm")?;
    args.told.tell(&confirmed, output, |output| {
        writeln!(output, "confirmed, generation {}", confirmed.generation)
    })
}

pub(super) fn roll_back(
    args: &RollbackArgs,
    socket: &Path,
    output: &mut Output<'_>,
) -> anyhow::Result<Exit> {
    let path = match args.generation {
        Some(generation) => format!("/v1/rollback?to={generation}"),
        None => "/v1/rollback".to_owned(),
    };
    let applied = args.condition.client(socket)?.post(&path)?;
    args.told
        .tell(&applied, output, |output| report(&applied, output))
}

pub(super) fn reload(
    args: &ReloadArgs,
    socket: &Path,
    output: &mut Output<'_>,
) -> anyhow::Result<Exit> {
    let applied = args.condition.client(socket)?.post("/v1/reload")?;
    args.told
        .tell(&applied, output, |output| report(&applied, output))
}

pub(super) fn export(
    args: &ExportArgs,
    socket: &Path,
    output: &mut Output<'_>,
) -> anyhow::Result<Exit> {
    let client = Client::new(socket)?;
    let text = match args.generation {
        Some(generation) => client.text(&format!("/v1/history/{generation}"))?,
        None => client.policy()?,
    };
    output.write_all(text.as_bytes())?;
    Ok(Exit::Done)
}

fn report(applied: &Applied, output: &mut Output<'_>) -> io::Result<()> {
    for set in &applied.changed_sets {
        writeln!(output, "{}", changed_set(set, ""))?;
    }
    writeln!(output, "applied, generation {}", applied.generation)
}
