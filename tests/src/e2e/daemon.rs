//! The daemon as a child process in the lab's host.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Once;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stormbolt::api::client::Client;
use stormbolt::api::documents::{
    ClassStatus, Classes, CpuStatus, Cpus, InterfaceStatus, Interfaces, RuleStatus, Rules, Status,
};
use stormbolt::datapath::{Pins, Record};
use stormbolt::lab::spawn_for_process_lifetime;
use tempfile::TempDir;

use super::binary::stormbolt;
use super::command_line::{Finished, run};
use super::lab::Lab;
use super::waiting::{until, until_some};

/// Where a bpffs is mounted, and how the tests' directories there begin.
const BPFFS: &str = "/sys/fs/bpf";
const PINS: &str = "stormbolt-tests-";

/// A daemon and the folder with its policy file, its socket and its log. Dropping it ends it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    client: Client,
    folder: TempDir,
}

impl Daemon {
    /// Starts a daemon in the lab's host and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn start(lab: &Lab, policy: &str) -> Self {
        Self::start_with(lab, policy, &[])
    }

    /// Starts a daemon with further arguments for `stormbolt run`.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub fn start_with(lab: &Lab, policy: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("stormbolt-tests-").unwrap();
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        let mut daemon = Self {
            child: spawn(lab, folder.path(), arguments),
            client: Client::new(&folder.path().join("socket")).unwrap(),
            folder,
        };
        daemon.wait_until_it_answers();
        daemon
    }

    /// Starts another process in the place of one that has ended.
    pub fn start_again(&mut self, lab: &Lab) {
        self.start_again_with(lab, &[]);
    }

    /// The same with further arguments for `stormbolt run`.
    pub fn start_again_with(&mut self, lab: &Lab, arguments: &[&str]) {
        assert!(self.child.try_wait().unwrap().is_some(), "it has not ended");
        self.child = spawn(lab, self.folder.path(), arguments);
        self.wait_until_it_answers();
    }

    /// Runs a daemon that is expected to end by itself, and leaves no socket.
    pub fn run_in_vain(lab: &Lab, policy: &str) -> Finished {
        let folder = TempDir::with_prefix("stormbolt-tests-").unwrap();
        fs::write(folder.path().join("policy.toml"), policy).unwrap();
        let finished = Self::command(lab, folder.path()).output().unwrap().into();
        assert!(!folder.path().join("socket").exists(), "{finished:?}");
        finished
    }

    /// The command that [`Self::start`] runs, for a folder that has a `policy.toml`.
    pub fn command(lab: &Lab, folder: &Path) -> Command {
        let mut command = lab.host.command(stormbolt());
        command.arg("--socket").arg(folder.join("socket"));
        command
            .args(["run", "--config"])
            .arg(folder.join("policy.toml"))
            .arg("--state")
            .arg(folder.join("state"));
        command.arg("--bpffs").arg(bpffs_of(folder));
        command
    }

    /// The folder with `policy.toml`, `socket` and `log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The directory of its pins.
    pub fn bpffs(&self) -> PathBuf {
        bpffs_of(self.folder.path())
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A client of the API.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs `stormbolt` with these arguments and the daemon's socket.
    pub fn cli(&self, arguments: &[&str]) -> Finished {
        let socket = self.socket();
        run(&[&["--socket", socket.to_str().unwrap()], arguments].concat())
    }

    /// Lets the next daemon find tables of a layout that it does not know.
    pub fn pretend_another_layout(&self) {
        let tables = Pins::tables(&self.bpffs()).unwrap();
        let mut record = Record::read(&tables).unwrap().unwrap();
        record.layout_version += 1;
        record.write(&tables).unwrap();
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits until the process has ended.
    pub fn wait(&mut self) -> ExitStatus {
        until_some("the daemon ends", || self.child.try_wait().unwrap())
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.client.get("/v1/status").unwrap()
    }

    /// What is in force for `eth0`, and its counters.
    pub fn eth0(&self) -> InterfaceStatus {
        let interfaces: Interfaces = self.client.get("/v1/interfaces").unwrap();
        assert_eq!(interfaces.interfaces.len(), 1);
        interfaces.interfaces[0].clone()
    }

    /// Frames with one outcome so far.
    pub fn outcome(&self, name: &str) -> u64 {
        let eth0 = self.eth0();
        let found = eth0.outcomes.iter().find(|outcome| outcome.outcome == name);
        found
            .unwrap_or_else(|| panic!("no outcome {name}: {eth0:?}"))
            .packets
    }

    /// One class on `eth0`.
    pub fn class(&self, name: &str) -> ClassStatus {
        let classes: Classes = self.client.get("/v1/classes").unwrap();
        let found = classes.classes.iter().find(|class| class.name == name);
        found
            .unwrap_or_else(|| panic!("no class {name}: {classes:?}"))
            .clone()
    }

    /// All rules.
    pub fn rules(&self) -> Vec<RuleStatus> {
        let rules: Rules = self.client.get("/v1/rules").unwrap();
        rules.rules
    }

    /// All CPUs.
    pub fn cpus(&self) -> Vec<CpuStatus> {
        let cpus: Cpus = self.client.get("/v1/cpus").unwrap();
        cpus.cpus
    }

    fn wait_until_it_answers(&mut self) {
        until("the daemon answers", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended ({status}):\n{}", self.log());
            }
            self.client.get::<Status>("/v1/status").is_ok()
        });
    }
}

/// Where the daemon of a folder has its pins: one of this process, so that those of tests that were killed can be
/// told by.
fn bpffs_of(folder: &Path) -> PathBuf {
    let folder = folder.file_name().unwrap().to_str().unwrap();
    // No name on a bpffs has a dot.
    pin_of(std::process::id(), &folder.replace('.', "-"))
}

/// A place for something that a process pins.
pub(super) fn pin_of(process: u32, name: &str) -> PathBuf {
    static SWEEP: Once = Once::new();
    SWEEP.call_once(remove_left_pins);
    Path::new(BPFFS).join(format!("{PINS}{process}-{name}"))
}

/// Removes the pins of tests that were killed.
fn remove_left_pins() {
    for entry in fs::read_dir(BPFFS).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let process = name
            .strip_prefix(PINS)
            .and_then(|rest| rest.split('-').next());
        let is_left = process.is_some_and(|process| !Path::new("/proc").join(process).exists());
        if is_left {
            drop(Pins::remove(&entry.path()));
            // A single program, or what is left beside the pins of a daemon.
            drop(fs::remove_file(entry.path()));
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

fn spawn(lab: &Lab, folder: &Path, arguments: &[&str]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = Daemon::command(lab, folder);
    command.args(arguments);
    command.stdout(log.try_clone().unwrap()).stderr(log);
    spawn_for_process_lifetime(command).unwrap()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
        drop(self.child.kill());
        drop(self.child.wait());
        // It has not come to that itself.
        if let Err(error) = Pins::remove(&self.bpffs()) {
            eprintln!("{error}");
        }
    }
}
