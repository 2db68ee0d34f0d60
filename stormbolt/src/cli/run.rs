//! `stormbolt run`

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::logging;
use crate::apply::Engine;
use crate::daemon::{self, DEFAULT_CONFIG, Options};

/// Runs the daemon in the foreground.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Runs the daemon in the foreground: attaches to the interfaces of the policy, \
        recomputes the classes' rates every interval and answers the other commands.\n\n\
        SIGINT and SIGTERM detach cleanly. SIGHUP reads the policy file again; if it is not valid, \
        the old policy stays in force. Needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.",
    after_long_help = "Example:\n  sudo stormbolt run --config docs/examples/gateway.toml"
)]
pub(super) struct Args {
    /// The policy file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

pub(super) fn run(args: &Args, socket: &Path) -> anyhow::Result<Exit> {
    logging::start();
    // The status names the file to people who stand elsewhere.
    let config = std::path::absolute(&args.config).unwrap_or_else(|_| args.config.clone());
    let options = Options {
        config,
        socket: socket.to_owned(),
    };
    // Nobody outside may know which flows share a slot.
    let seed = RandomState::new().build_hasher().finish();
    daemon::run(&options, move |policy| Ok(Engine::start(policy, seed)?))?;
    Ok(Exit::Done)
}
