//! `cargo xtask systemd`: the package under a real systemd.

mod machine;

use anyhow::{Result, bail};

use super::deb::Built;
use super::setup::{self, is_root};
use crate::ebpf::workspace::Workspace;
use machine::Machine;

/// What making and booting a machine takes.
const PACKAGES: [&str; 2] = ["debootstrap", "systemd-container"];

/// Installs the package in a machine of its own and takes a newcomer's path there.
///
/// The machine is a container with systemd as its first process, made by debootstrap the first time and kept in
/// target/systemd/; it forgets whatever is done to it. Installs, reloads, adds a rule, restarts, kills, upgrades,
/// removes and purges, word for word as the README says where it says something, sends real traffic meanwhile between
/// two namespaces of the machine, and prints the service's exposure as systemd-analyze sees it. Restarts and upgrades
/// come under a flood of which no packet may go by unclassified. Needs root, and Debian for its packages.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Package what users get, which takes longer to build.
    #[arg(long)]
    release: bool,
}

pub(super) fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    if !is_root() {
        bail!("only root can boot a machine: run `sudo -E env \"PATH=$PATH\" cargo xtask systemd`");
    }
    setup::install(&PACKAGES)?;
    let built = Built::build(workspace, !args.release)?;
    // The second one is an upgrade of the first.
    let packages = [built.package(1)?, built.package(2)?];
    let sources = workspace.root().to_owned();
    Machine::at(workspace.systemd_machine(), sources)?.travel(&packages)
}
