//! `cargo xtask lint-ebpf`: clippy on the code that only exists for the kernel.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::ebpf::{compile, record::Record, toolchain, workspace::Workspace};

/// Runs clippy on the BPF programs, for the BPF target; a warning is a failure.
///
/// `cargo clippy` for the host does not see stormbolt-ebpf/src/kernel/ nor the programs, and
/// clippy must be of the same release as the compiler that has the sources of `core`. Debian has
/// it in rust-web-clippy, rustup in the nightly's clippy component: `cargo xtask setup`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args, workspace: &Workspace) -> Result<()> {
    let record = Record::read(&workspace.committed_objects()).ok();
    let toolchain = toolchain::find(record.as_ref())?;
    let clippy = toolchain.sysroot.join("bin/cargo-clippy");
    ensure!(
        clippy.is_file(),
        "no {} to lint for BPF: `cargo xtask setup` installs it",
        clippy.display()
    );
    // Not `cargo clippy`, which would take the clippy of the host's compiler.
    let mut command = Command::new(clippy);
    command.arg("clippy");
    compile::configure(&mut command, workspace, &toolchain)
        .env("CARGO", &toolchain.cargo)
        .args(["--", "-D", "warnings"]);
    compile::run(&mut command, "the BPF programs are not clean")
}
