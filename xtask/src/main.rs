//! The one front door for contributors.

use std::process::ExitCode;

use clap::Parser as _;
use xtask::commands::Cli;

fn main() -> ExitCode {
    Cli::parse().run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
