//! `stormbolt run`

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::logging;
use crate::apply::Engine;
use crate::config::units::{TABLE_MEMORY, parse_size, write_size};
use crate::daemon::{self, DEFAULT_BPFFS, DEFAULT_CONFIG, DEFAULT_STATE, Options};
use crate::datapath::{Pins, survey};

/// Runs the daemon in the foreground.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Runs the daemon in the foreground: attaches to the interfaces of the policy, \
        recomputes the classes' rates every interval and answers the other commands.\n\n\
        SIGINT and SIGTERM detach cleanly; with --keep-attached, SIGTERM leaves everything attached, so that \
        a service can be restarted without a packet unclassified. Programs, maps and links are pinned: \
        when the daemon is killed, they go on with the rates that stand, and the next daemon goes on from \
        there, with the same counters. `stormbolt detach` removes what is left.\n\n\
        SIGHUP reads the policy file again; if it is not valid, \
        the old policy stays in force. Needs root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.",
    after_long_help = "Example:\n  sudo stormbolt run --config docs/examples/gateway.toml"
)]
pub(super) struct Args {
    /// The policy file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// Where the policies that were in force are kept.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_STATE)]
    state: PathBuf,
    /// Memory that the compiled rules and sets of one policy may take, such as 64MiB: up to 256MiB,
    /// rounded up to a power of two. Twice as much
    /// is taken from the kernel, for a policy is prepared beside the one in force. Without it, `memory`
    /// below `[tables]` in the policy file counts, and without that 128 MiB.
    ///
    /// A hundred thousand rules take 6 to 15 MiB with IPv4 addresses and twice that and more with
    /// IPv6; a million prefixes 12 and 44 MiB.
    ///
    /// The flows that each CPU remembers take memory besides, 32 bytes each: `flows` below `[tables]`
    /// says how many, 65536 by default.
    #[arg(long, value_name = "SIZE", value_parser = table_memory)]
    table_memory: Option<u64>,
    /// Leave everything attached at SIGTERM, for services: the next daemon goes on from there.
    #[arg(long, conflicts_with = "no_pins")]
    keep_attached: bool,
    /// Where to pin what outlives the daemon: a directory of a bpffs, which is made where it is missing.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BPFFS)]
    bpffs: PathBuf,
    /// Pin nothing: when the daemon ends, however that is, everything is detached.
    #[arg(long, conflicts_with = "bpffs")]
    no_pins: bool,
    #[command(flatten)]
    access: super::access::Args,
}

/// Enough for a hundred thousand rules and a million prefixes.
const DEFAULT_TABLE_MEMORY: u64 = 128 << 20;

pub(super) fn run(args: &Args, socket: &Path) -> anyhow::Result<Exit> {
    logging::start();
    // The status names the file to people who stand elsewhere.
    let config = std::path::absolute(&args.config).unwrap_or_else(|_| args.config.clone());
    let options = Options {
        config,
        socket: socket.to_owned(),
        access: args.access.options(),
        tls: args.access.tls(),
        state: args.state.clone(),
    };
    let asked = args.table_memory;
    // Nobody outside may know which flows share a slot.
    let seed = RandomState::new().build_hasher().finish();
    let bpffs = (!args.no_pins).then(|| args.bpffs.clone());
    // What takes rights that the daemon gives up.
    survey();
    if let Some(bpffs) = &bpffs {
        Pins::prepare(bpffs);
    }
    daemon::run(&options, args.keep_attached, move |policy, watch| {
        let memory = asked.or(policy.tables.memory);
        let memory = memory.unwrap_or(DEFAULT_TABLE_MEMORY);
        let Some(bpffs) = bpffs else {
            return Ok(Engine::start_watched(policy, seed, memory, watch)?);
        };
        let pins = Pins::open(&bpffs)?;
        Ok(Engine::start_pinned(policy, seed, memory, pins, watch)?)
    })?;
    Ok(Exit::Done)
}

fn table_memory(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text).map_err(|error| format!("{error}; {}", error.help()))?;
    if TABLE_MEMORY.contains(&bytes) {
        return Ok(bytes);
    }
    let (first, last) = (TABLE_MEMORY.start(), TABLE_MEMORY.end());
    Err(format!(
        "it is from {} to {}",
        write_size(*first),
        write_size(*last)
    ))
}
