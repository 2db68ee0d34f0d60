//! `cargo xtask bench`: builds the benchmarks as users run StormBolt, and runs one.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use super::package;
use crate::ebpf::workspace::Workspace;

/// Measures the data path and its peers on this machine, in one run and in turn.
///
/// `cargo xtask bench classify --help` has the options of a benchmark, and docs/benchmarks.md how to
/// read what it prints. Needs root.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Args {
    /// Name of the benchmark and its options.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub(super) fn run(args: &Args, workspace: &Workspace) -> Result<ExitCode> {
    package::run("stormbolt-bench", &args.rest, workspace)
}
