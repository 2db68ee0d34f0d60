//! `cargo xtask simulate`: builds the simulation as users run StormBolt, and runs it.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use super::package;
use crate::ebpf::workspace::Workspace;

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
    package::run("stormbolt-simulate", &args.rest, workspace)
}
