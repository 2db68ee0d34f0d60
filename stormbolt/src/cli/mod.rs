//! The command line: arguments in, text out. What changes or shows a
//! daemon's doings only talks to the API.

mod access;
mod apply;
mod capture;
mod changing;
mod check;
mod class;
mod completions;
mod demo;
mod detach;
mod diff;
mod differences;
mod doctor;
mod exit;
mod explain;
pub(crate) mod format;
mod import;
mod lasting;
mod logging;
mod man;
mod metrics;
mod openapi;
pub(crate) mod output;
mod policy_file;
mod progress;
mod rule;
mod rule_keys;
mod run;
mod session;
mod set;
mod show;
pub(crate) mod table;
mod top;

#[cfg(test)]
mod edit_tests;
#[cfg(test)]
mod manual_tests;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::daemon::DEFAULT_SOCKET;
pub use demo::Args as DemoArgs;
pub use exit::Exit;
pub use output::{Output, Style};

/// Classifies, polices and steers the traffic that arrives, in the kernel.
#[derive(Debug, Parser)]
#[command(
    name = "stormbolt",
    version,
    long_about = "Classifies, polices and steers the traffic that arrives, in the kernel (XDP).\n\n\
        A policy file says which interfaces are managed, which classes of traffic there are and \
        which rules put packets into them. `stormbolt run` attaches to the interfaces and adapts \
        the classes' rates to the traffic; the other commands talk to it.",
    after_long_help = "Start here:\n  \
        sudo stormbolt demo                    see it at work in a lab on this machine\n  \
        stormbolt check policy.toml            find mistakes in a policy\n  \
        sudo stormbolt run -c policy.toml      attach, and keep running\n  \
        sudo stormbolt show classes --watch    see what the classes get\n\n\
        Exit codes: 0 done, 1 failed (of `diff`: differs), 2 usage, 69 daemon not reachable, 77 not permitted, \
        78 invalid policy, 124 timed out.",
    disable_help_subcommand = true,
    propagate_version = true
)]
struct Cli {
    /// The daemon's socket.
    #[arg(
        long, global = true, value_name = "PATH", default_value = DEFAULT_SOCKET,
        display_order = 100
    )]
    socket: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Apply(apply::Args),
    Diff(diff::Args),
    Confirm(lasting::ConfirmArgs),
    Rollback(lasting::RollbackArgs),
    Reload(lasting::ReloadArgs),
    Export(lasting::ExportArgs),
    Show(show::Args),
    Top(top::Args),
    Metrics(metrics::Args),
    Class(class::Args),
    Explain(explain::Args),
    Capture(capture::Args),
    Rule(rule::Args),
    Set(set::Args),
    Import(import::Args),
    Attach(detach::AttachArgs),
    Detach(detach::DetachArgs),
    Doctor(doctor::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    Man(man::Args),
    Openapi(openapi::Args),
}

/// Does what the command line of this process says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let style = Style::of(&stdout());
    let mut output = Output::new(Box::new(anstream::stdout()), style, stdout().is_terminal());
    let done = execute(&cli, &mut output).and_then(|exit| {
        output.flush()?;
        Ok(exit)
    });
    let exit = done.unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        if exit == Exit::Done && !matches!(cli.command, Command::Show(_)) {
            // Who stops reading `show` has seen enough; anything else has not done its work.
            return Exit::Failed;
        }
        if exit != Exit::Done {
            let text = exit::explained(&error, Style::of(&stderr()));
            // Nobody is left to tell when standard error is closed.
            drop(anstream::stderr().write_all(text.as_bytes()));
        }
        exit
    });
    exit.into()
}

fn execute(cli: &Cli, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    match &cli.command {
        Command::Run(args) => run::run(args, &cli.socket),
        Command::Check(args) => check::run(args, output),
        Command::Apply(args) => apply::run(args, &cli.socket, output),
        Command::Diff(args) => diff::run(args, &cli.socket, output),
        Command::Confirm(args) => lasting::confirm(args, &cli.socket, output),
        Command::Rollback(args) => lasting::roll_back(args, &cli.socket, output),
        Command::Reload(args) => lasting::reload(args, &cli.socket, output),
        Command::Export(args) => lasting::export(args, &cli.socket, output),
        Command::Show(args) => show::run(args, &cli.socket, output),
        Command::Top(args) => top::run(args, &cli.socket, output),
        Command::Metrics(args) => metrics::run(args, &cli.socket, output),
        Command::Class(args) => class::run(args, &cli.socket, output),
        Command::Explain(args) => explain::run(args, &cli.socket, output),
        Command::Capture(args) => capture::run(args, &cli.socket, output),
        Command::Rule(args) => rule::run(args, &cli.socket, output),
        Command::Set(args) => set::run(args, &cli.socket, output),
        Command::Import(args) => import::run(args, output),
        Command::Attach(args) => detach::attach(args, &cli.socket, output),
        Command::Detach(args) => detach::detach(args, &cli.socket, output),
        Command::Doctor(args) => doctor::run(args, &cli.socket, output),
        Command::Demo(args) => demo::run(args, output),
        Command::Completions(args) => completions::run(args, output),
        Command::Man(args) => man::run(args, output),
        Command::Openapi(args) => openapi::run(args, output),
    }
}
