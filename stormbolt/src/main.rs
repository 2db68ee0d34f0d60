//! The `stormbolt` command: daemon, command line and demo in one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    stormbolt::cli::main()
}
