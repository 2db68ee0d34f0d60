//! The benchmark `rest`: what the daemon takes of the machine while nothing arrives and nobody asks.
//!
//! The daemon is a process of its own, as users run it, in a namespace whose only interface is the loopback. Its
//! policy's rules and classes are there and matched by nobody; it ticks ten times a second.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};

use anyhow::{Context as _, Result, ensure};
use stormbolt::api::client::Client;
use stormbolt::api::documents::Status;
use stormbolt::config::to_toml;
use stormbolt::lab::clock::{SECOND_NS, now_ns, sleep_until};
use stormbolt::lab::{Namespace, spawn_for_process_lifetime};
use stormbolt_control::policy::Policy;
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};
use xtask::rulesets::{IpVersion, prefixes};

use crate::policies::of_subscribers;
use crate::run::{Benchmark, Run, in_round, preparing};
use crate::stats::{median, ratio};

/// Measures the daemon at rest.
pub const REST: Benchmark = Benchmark::new("rest", measure);

/// By this name the program that measures is the one that is measured ([`run_as_daemon`]).
const DAEMON: &str = "stormbolt";

/// The most that a policy file may say.
const CAPACITY: BitsPerSecond = BitsPerSecond(400_000_000_000);
const INTERVAL: Nanoseconds = Nanoseconds::from_millis(100);
/// How long the daemon may take to answer.
const PATIENCE_NS: u64 = 60 * SECOND_NS;
/// How long it is left alone before it is looked at.
const SETTLING_NS: u64 = 2 * SECOND_NS;

/// Does what `stormbolt` does, if this process was started by that name; so that what is measured has been built
/// with what measures it, and lies in one file.
pub fn run_as_daemon() -> Option<ExitCode> {
    let name = std::env::args_os().next()?;
    (name == DAEMON).then(stormbolt::cli::main)
}

/// A case.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    classes: u32,
    rules: usize,
    /// How long a round is.
    seconds: u64,
}

const CASES: [Case; 2] = [
    Case {
        name: "1-class-1-rule",
        classes: 1,
        rules: 1,
        seconds: 5,
    },
    Case {
        name: "1000-classes-10000-rules",
        classes: 1000,
        rules: 10_000,
        seconds: 20,
    },
];

fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    for case in CASES {
        if !run.wants(case.name) {
            continue;
        }
        preparing(case.name);
        let daemon = Daemon::start(&policy(case, run))?;
        let (mut shares, mut memory) = (Vec::new(), Vec::new());
        for round in 1..=run.rounds() {
            in_round(round, run.rounds());
            let before = daemon.status()?.ticks;
            shares.push(daemon.share_of_a_core(case.seconds)?);
            let ticks = daemon.status()?.ticks - before;
            ensure!(
                ticks >= case.seconds * 9,
                "{}: the daemon made {ticks} ticks in {} s",
                case.name,
                case.seconds
            );
            memory.push(daemon.memory()?);
        }
        run.add(case.name, "share_of_a_core", median(&shares) * 100.0, "%")?;
        for (metric, of) in MEMORY {
            let bytes: Vec<f64> = memory.iter().map(|one| ratio(of(one), 1)).collect();
            run.add(case.name, metric, median(&bytes), "bytes")?;
        }
    }
    Ok(())
}

fn policy(case: Case, run: &Run<'_, '_>) -> Policy {
    let sources = prefixes(IpVersion::V4, case.rules, run.seed());
    let mut policy = of_subscribers(&sources, case.classes, run.cpus());
    policy.interval = INTERVAL;
    for interface in &mut policy.interfaces {
        interface.capacity = CAPACITY;
    }
    policy
}

/// What a process has of the machine's memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// All pages that are mapped into it and there.
    resident: u64,
    /// Of those, its own: what it has allocated.
    anonymous: u64,
    /// Of those, tables of the data path, which are in the kernel whether they are mapped or not.
    tables: u64,
    /// All pages, those that others have too by parts.
    proportional: u64,
}

type OfMemory = fn(&Memory) -> u64;

const MEMORY: [(&str, OfMemory); 4] = [
    ("resident", |memory| memory.resident),
    ("resident_anonymous", |memory| memory.anonymous),
    ("resident_tables", |memory| memory.tables),
    ("proportional", |memory| memory.proportional),
];

/// The daemon, until this is dropped.
struct Daemon {
    child: Child,
    client: Client,
    folder: PathBuf,
    _namespace: Namespace,
}

impl Daemon {
    fn start(policy: &Policy) -> Result<Self> {
        let namespace = Namespace::new("rest")?;
        let folder = std::env::temp_dir().join(format!("stormbolt-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).context("cannot make a folder")?;
        let config = folder.join("policy.toml");
        fs::write(&config, to_toml(policy)).context("cannot write the policy")?;
        let log = File::create(folder.join("log")).context("cannot write the log")?;
        let mut command = namespace.command("/proc/self/exe");
        command.arg0(DAEMON).arg("--socket");
        command.arg(folder.join("socket"));
        command.args(["run", "--no-pins", "--config"]).arg(&config);
        command.arg("--state").arg(folder.join("state"));
        command.stdout(log.try_clone()?).stderr(log);
        let mut daemon = Self {
            child: spawn_for_process_lifetime(command).context("cannot start the daemon")?,
            client: Client::new(&folder.join("socket"))?,
            folder,
            _namespace: namespace,
        };
        daemon.wait_until_it_answers()?;
        sleep_until(now_ns() + SETTLING_NS);
        Ok(daemon)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let until_ns = now_ns() + PATIENCE_NS;
        while self.status().is_err() {
            let ended = self.child.try_wait()?;
            ensure!(
                ended.is_none() && now_ns() < until_ns,
                "the daemon does not answer:\n{}",
                fs::read_to_string(self.folder.join("log")).unwrap_or_default()
            );
            sleep_until(now_ns() + SECOND_NS / 20);
        }
        Ok(())
    }

    fn status(&self) -> Result<Status> {
        Ok(self.client.get("/v1/status")?)
    }

    /// What it takes of one core within so many seconds.
    fn share_of_a_core(&self, seconds: u64) -> Result<f64> {
        let (from_ns, before_ns) = (now_ns(), self.ran_ns()?);
        sleep_until(from_ns + seconds * SECOND_NS);
        let (to_ns, after_ns) = (now_ns(), self.ran_ns()?);
        Ok(ratio(after_ns - before_ns, to_ns - from_ns))
    }

    fn process(&self, file: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join(file)
    }

    /// Time that its threads have run, in nanoseconds.
    fn ran_ns(&self) -> Result<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(self.process("task"))? {
            // A thread may end meanwhile.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            let ran = text.split_ascii_whitespace().next();
            sum += ran.context("no time in schedstat")?.parse::<u64>()?;
        }
        Ok(sum)
    }

    fn memory(&self) -> Result<Memory> {
        Ok(of_mappings(&fs::read_to_string(self.process("smaps"))?))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Adds up `/proc/PID/smaps`: of each mapping a line with addresses and name, then lines with figures in kB.
fn of_mappings(text: &str) -> Memory {
    let mut memory = Memory::default();
    let mut is_table = false;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(key), Some(value)) = (words.next(), words.next()) else {
            continue;
        };
        let bytes = value.parse::<u64>().unwrap_or(0) * 1024;
        match key {
            "Rss:" => {
                memory.resident += bytes;
                memory.tables += if is_table { bytes } else { 0 };
            }
            "Pss:" => memory.proportional += bytes,
            "Anonymous:" => memory.anonymous += bytes,
            _ if !key.ends_with(':') => is_table = line.ends_with("bpf-map"),
            _ => {}
        }
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_told_apart_from_what_is_allocated() {
        let text = "55d0-55d1 r--p 00000000 fe:00 1    /usr/bin/stormbolt\n\
                    Size:                100 kB\nRss:                  40 kB\nPss:                  20 kB\n\
                    Anonymous:             4 kB\nVmFlags: rd mr\n\
                    7f00-7f10 rw-s 00000000 00:0f 1057    anon_inode:bpf-map\n\
                    Rss:                   8 kB\nPss:                   8 kB\nAnonymous:             0 kB\n\
                    7f20-7f30 rw-p 00000000 00:00 0 \nRss:  16 kB\nPss:  16 kB\nAnonymous:  16 kB\n";
        let memory = of_mappings(text);
        assert_eq!(memory.resident, 64 * 1024);
        assert_eq!(memory.tables, 8 * 1024);
        assert_eq!(memory.anonymous, 20 * 1024);
        assert_eq!(memory.proportional, 44 * 1024);
    }
}
