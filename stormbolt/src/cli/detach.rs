//! `stormbolt detach` and `stormbolt attach`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::exit::Exit;
use super::format::counted;
use super::output::Output;
use super::table::printable;
use crate::api::attachments::InterfaceChoice;
use crate::api::client::{Client, ClientError};
use crate::api::documents::Interfaces;
use crate::daemon::DEFAULT_BPFFS;
use crate::datapath::Pins;

/// Takes the program off interfaces.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Takes the program off interfaces: their packets pass as if there was no StormBolt.\n\n\
        While the daemon runs, it leaves these interfaces alone until `stormbolt attach`, or until it starts \
        again. When no daemon runs, everything that one has left attached is detached, and its programs and \
        maps are removed; then no interface can be chosen.",
    after_long_help = "Example:\n  sudo stormbolt detach eth0\n  \
        sudo systemctl stop stormbolt && sudo stormbolt detach"
)]
pub(super) struct DetachArgs {
    /// The interfaces; without any, all of them.
    #[arg(value_name = "INTERFACE")]
    interfaces: Vec<String>,
    /// Where the daemon pins what outlives it.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BPFFS)]
    bpffs: PathBuf,
}

/// Puts the program back on interfaces.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Puts the program back on interfaces that `stormbolt detach` has taken it off. Interfaces of \
        the policy are attached to by themselves otherwise.",
    after_long_help = "Example:\n  sudo stormbolt attach eth0"
)]
pub(super) struct AttachArgs {
    /// The interfaces; without any, all of them.
    #[arg(value_name = "INTERFACE")]
    interfaces: Vec<String>,
}

pub(super) fn attach(
    args: &AttachArgs,
    socket: &Path,
    output: &mut Output<'_>,
) -> anyhow::Result<Exit> {
    let shown = Client::new(socket)?.set_attached(&choice(&args.interfaces), true)?;
    say(output, &shown, &args.interfaces)
}

pub(super) fn detach(
    args: &DetachArgs,
    socket: &Path,
    output: &mut Output<'_>,
) -> anyhow::Result<Exit> {
    match Client::new(socket)?.set_attached(&choice(&args.interfaces), false) {
        Err(ClientError::NotReachable { .. }) => detach_all(args, output),
        answer => say(output, &answer?, &args.interfaces),
    }
}

/// Without a daemon.
fn detach_all(args: &DetachArgs, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    if !args.interfaces.is_empty() {
        bail!(
            "no daemon runs: `stormbolt detach` without names detaches everything that one has left"
        );
    }
    let removed = Pins::remove(&args.bpffs)?;
    if removed.interfaces + removed.tables == 0 {
        writeln!(
            output,
            "nothing is attached: no daemon runs, and none has left anything"
        )?;
    } else {
        let interfaces = counted(removed.interfaces, "interface", "interfaces");
        writeln!(
            output,
            "detached from {interfaces} and removed what a daemon has left"
        )?;
    }
    Ok(Exit::Done)
}

fn choice(interfaces: &[String]) -> InterfaceChoice {
    InterfaceChoice {
        interfaces: interfaces.to_vec(),
    }
}

fn say(output: &mut Output<'_>, shown: &Interfaces, names: &[String]) -> anyhow::Result<Exit> {
    let is_meant = |name: &String| names.is_empty() || names.contains(name);
    for interface in shown.interfaces.iter().filter(|one| is_meant(&one.name)) {
        let name = printable(&interface.name);
        if interface.mode == "detached" {
            writeln!(output, "{name}: detached")?;
        } else {
            writeln!(output, "{name}: attached in {} mode", interface.mode)?;
        }
    }
    Ok(Exit::Done)
}
