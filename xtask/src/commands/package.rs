//! Runs a program of the workspace, built as users run StormBolt.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::ebpf::{toolchain::cargo, workspace::Workspace};

/// Runs `package` with these arguments, in the folder of whoever calls, so that files are found by the names that
/// are given.
pub(super) fn run(
    package: &str,
    arguments: &[OsString],
    workspace: &Workspace,
) -> Result<ExitCode> {
    let status = Command::new(cargo())
        .args(["run", "--release", "--quiet", "--manifest-path"])
        .arg(workspace.root().join("Cargo.toml"))
        .args(["--package", package, "--"])
        .args(arguments)
        .status()
        .context("cannot run cargo")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
