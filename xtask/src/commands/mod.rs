//! The command line: `cargo xtask …`.

mod api;
mod bench;
mod build_ebpf;
mod deb;
mod lint_ebpf;
mod package;
mod rulesets;
mod setup;
mod simulate;
mod systemd;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::ebpf::workspace::Workspace;

/// Does what this project asks of its contributors: install, build, check, test.
///
/// A change is ready when .ci/run passes, which runs all of these.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Setup(setup::Args),
    BuildEbpf(build_ebpf::Args),
    LintEbpf(lint_ebpf::Args),
    Tidy(tidy::Args),
    Test(test::Args),
    Rulesets(rulesets::Args),
    Bench(bench::Args),
    Simulate(simulate::Args),
    Package(deb::Args),
    Systemd(systemd::Args),
    Api(api::Args),
}

impl Cli {
    /// Runs the chosen subcommand on the checkout that this program was compiled in.
    ///
    /// # Errors
    ///
    /// Fails if the subcommand could not do its work; what it found out by doing it, such as a
    /// failed test, is in the exit code instead.
    pub fn run(self) -> Result<ExitCode> {
        let workspace = Workspace::of_this_build();
        match self.command {
            Command::Setup(args) => setup::run(&args)?,
            Command::BuildEbpf(args) => build_ebpf::run(&args, &workspace)?,
            Command::LintEbpf(args) => lint_ebpf::run(&args, &workspace)?,
            Command::Tidy(args) => tidy::run(&args, &workspace)?,
            Command::Package(args) => deb::run(&args, &workspace)?,
            Command::Api(args) => api::run(&args, &workspace)?,
            Command::Systemd(args) => systemd::run(&args, &workspace)?,
            Command::Rulesets(args) => rulesets::run(&args)?,
            Command::Bench(args) => return bench::run(&args, &workspace),
            Command::Simulate(args) => return simulate::run(&args, &workspace),
            Command::Test(args) => return test::run(&args, &workspace),
        }
        Ok(ExitCode::SUCCESS)
    }
}
