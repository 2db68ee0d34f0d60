//! The daemon of the demo: this very program, run as a child in the host's namespace.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::api::client::Client;
use crate::api::documents::{Classes, Cpus, Interfaces, Status};
use crate::lab::{Namespace, spawn_for_process_lifetime};

/// How long the daemon may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// A running daemon and the folder it lives in.
pub(super) struct Daemon {
    child: Child,
    client: Client,
    folder: TempDir,
}

impl Daemon {
    /// Starts the daemon with `policy` and waits until it answers.
    pub(super) fn start(host: &Namespace, policy: &str) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("stormbolt-demo-")?;
        let file = folder.path().join("policy.toml");
        fs::write(&file, policy)?;
        let socket = folder.path().join("stormbolt.sock");
        let log = File::create(folder.path().join("log"))?;
        let mut command = host.command("/proc/self/exe");
        command
            .arg("--socket")
            .arg(&socket)
            // The demo leaves nothing behind, whatever ends it.
            .args(["run", "--no-pins", "--config"])
            .arg(&file)
            .arg("--state")
            .arg(folder.path().join("state"));
        command.stdout(log.try_clone()?).stderr(log);
        // Ctrl-C goes to a whole process group; the demo ends the daemon itself.
        command.process_group(0);
        let child = spawn_for_process_lifetime(command).context("cannot start the daemon")?;
        let client = Client::new(&socket)?;
        let mut daemon = Self {
            child,
            client,
            folder,
        };
        daemon.wait_until_it_answers()?;
        Ok(daemon)
    }

    /// Process number of the daemon.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0))
    }

    pub(super) fn classes(&self) -> anyhow::Result<Classes> {
        Ok(self.client.get("/v1/classes")?)
    }

    pub(super) fn cpus(&self) -> anyhow::Result<Cpus> {
        Ok(self.client.get("/v1/cpus")?)
    }

    pub(super) fn interfaces(&self) -> anyhow::Result<Interfaces> {
        Ok(self.client.get("/v1/interfaces")?)
    }

    /// Puts another policy into force.
    pub(super) fn apply(&self, policy: &str) -> anyhow::Result<()> {
        self.client.put_policy("demo", policy.to_owned(), false)?;
        Ok(())
    }

    /// Ends the daemon as a service manager would, and waits until it is gone: it detaches.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.end().context("cannot stop the daemon")
    }

    fn wait_until_it_answers(&mut self) -> anyhow::Result<()> {
        let tries = PATIENCE.as_millis() / PAUSE.as_millis();
        for _ in 0..tries {
            if self.client.get::<Status>("/v1/status").is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the daemon ended ({status}):\n{}", self.log());
            }
            std::thread::sleep(PAUSE);
        }
        bail!("the daemon does not answer:\n{}", self.log())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill(self.pid(), Signal::SIGTERM)?;
        let tries = PATIENCE.as_millis() / PAUSE.as_millis();
        for _ in 0..tries {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("the daemon had to be killed:\n{}", self.log())
    }

    fn log(&self) -> String {
        let path: PathBuf = self.folder.path().join("log");
        fs::read_to_string(path).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!("{error:#}");
        }
    }
}
