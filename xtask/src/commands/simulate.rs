//! `cargo xtask simulate`: builds the simulation as users run StormBolt, and runs it.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::ebpf::{toolchain::cargo, workspace::Workspace};

/// Drives the real controller over generated or recorded demand, and draws what comes of it.
///
/// `cargo xtask simulate --help` has the scenarios and options, and docs/simulation.md what is modelled and
/// what was seen.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Args {
    /// Names of scenarios, and options.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub(super) fn run(args: &Args, workspace: &Workspace) -> Result<ExitCode> {
    let status = Command::new(cargo())
        // In the folder of whoever calls, so that files are found by the names that are given.
        .args(["run", "--release", "--quiet", "--manifest-path"])
        .arg(workspace.root().join("Cargo.toml"))
        .args(["--package", "stormbolt-simulate", "--"])
        .args(&args.rest)
        .status()
        .context("cannot run cargo")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
