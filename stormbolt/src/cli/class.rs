//! `stormbolt class`

use std::io::Write;
use std::path::Path;

use super::changing::{Condition, Told};
use super::exit::Exit;
use super::output::Output;
use crate::api::documents::ClassChange;

/// Changes one class.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  sudo stormbolt class set bulk --ceil 2Gbit")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Set(Set),
}

/// Changes properties of a class while traffic flows.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Changes properties of a class while traffic flows; what is not named stays as \
        it is. The values are those of a policy file, and the whole policy is checked before \
        anything changes.\n\n\
        It outlives the daemon: it is written into the policy file that the daemon was started with.",
    after_long_help = "Example:\n  sudo stormbolt class set bulk --ceil 2Gbit --priority 6\n  \
        sudo stormbolt class set bulk --ceil capacity --cpus none"
)]
pub(super) struct Set {
    /// The class.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    change: Change,

    #[command(flatten)]
    condition: Condition,

    #[command(flatten)]
    told: Told,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Change {
    /// Guaranteed rate, like `500Mbit`; `none` for no guarantee.
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,

    /// Highest rate, like `1.5Gbit`; `capacity` for that of the interface.
    #[arg(long, value_name = "RATE")]
    ceil: Option<String>,

    /// Depth of the bucket: a time like `20ms` or a size like `64KiB`.
    #[arg(long, value_name = "TIME|SIZE")]
    burst: Option<String>,

    /// Share among the classes of one priority, 1 to 1000.
    #[arg(long, value_name = "N")]
    weight: Option<u32>,

    /// 0 is served first, 7 last.
    #[arg(long, value_name = "N")]
    priority: Option<u8>,

    /// CPUs that the flows are spread over, like `0-1,3`; `none` to leave packets where they arrive.
    #[arg(long, value_name = "LIST")]
    cpus: Option<String>,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let Command::Set(Set {
        name,
        change,
        condition,
        told,
    }) = &args.command;
    let change = ClassChange {
        priority: change.priority,
        rate: change.rate.clone(),
        ceil: change.ceil.clone(),
        burst: change.burst.clone(),
        weight: change.weight,
        cpus: change.cpus.clone(),
    };
    let applied = condition.client(socket)?.patch_class(name, &change)?;
    told.tell(&applied, output, |output| {
        writeln!(output, "applied, generation {}", applied.generation)
    })
}
