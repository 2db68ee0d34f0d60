//! `stormbolt demo`: its document, and that nothing is left of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Finished, stormbolt, until, until_some};
use tempfile::TempDir;

/// The demo with a folder of its own for temporary files, by which what it starts is found.
struct Demo {
    child: Option<Child>,
    folder: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("stormbolt-tests-")?;
        let mut command = Command::new(stormbolt());
        command
            .arg("demo")
            .args(arguments)
            .env("TMPDIR", folder.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Self {
            child: Some(command.spawn()?),
            folder,
        })
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.child.as_ref().map_or(0, Child::id);
        Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
    }

    /// Processes with the folder in their command line: the daemon.
    fn daemons(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().as_os_str().as_bytes();
        let mentions = |process: &PathBuf| {
            let line = fs::read(process.join("cmdline")).unwrap_or_default();
            line.windows(folder.len()).any(|part| part == folder)
        };
        processes().filter(mentions).collect()
    }

    fn wait(&mut self) -> anyhow::Result<Finished> {
        match self.child.take() {
            Some(child) => Ok(child.wait_with_output()?.into()),
            None => anyhow::bail!("the demo has been waited for"),
        }
    }

    /// Fails if a process, a file, or one of the namespaces is left.
    fn assert_nothing_is_left(&self, namespaces: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
        assert_eq!(self.daemons(), Vec::<PathBuf>::new());
        assert_eq!(
            fs::read_dir(self.folder.path())?.count(),
            0,
            "temporary files are left"
        );
        // The kernel frees what a process has held on its own time.
        until("its namespaces are gone", || {
            processes()
                .filter_map(|process| network_of(&process))
                .all(|of| !namespaces.contains(&of))
        });
        Ok(())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It is over already, or it is to be over now.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| {
        path.file_name()
            .is_some_and(|name| name.as_bytes().iter().all(u8::is_ascii_digit))
    })
}

/// The network namespace of a process, as `net:[NUMBER]`.
fn network_of(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/net")).ok()
}

/// The phases' document is as the documentation says.
fn assert_has_four_phases(document: &Value) {
    assert!(document["ok"].is_boolean(), "{document}");
    let phases = document["phases"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<_> = phases
        .iter()
        .filter_map(|phase| phase["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["everybody-fits", "flood", "policy-changed", "detached"]
    );
    for phase in phases {
        let classes = phase["classes"].as_array().map_or(&[][..], Vec::as_slice);
        let names: Vec<_> = classes
            .iter()
            .filter_map(|class| class["name"].as_str())
            .collect();
        assert_eq!(names, ["critical", "web", "bulk"], "{phase}");
        let detached = phase["name"] == "detached";
        for class in classes {
            assert!(
                class["offered_bps"].is_u64() && class["passed_bps"].is_u64(),
                "{class}"
            );
            assert!(class["dropped_packets"].is_u64() || detached, "{class}");
            assert!(class["rate_bps"].is_u64() != detached, "{class}");
        }
        let latency = &phase["latency_us"];
        assert!(
            latency["p50"].is_f64() && latency["p99"].is_f64(),
            "{phase}"
        );
        assert!(
            latency["p50"].as_f64() <= latency["p99"].as_f64(),
            "{phase}"
        );
        assert!(
            phase["cpus"]
                .as_array()
                .is_some_and(|cpus| !cpus.is_empty()),
            "{phase}"
        );
        if !detached {
            assert!(
                phase
                    .pointer("/classes/0/passed_bps")
                    .and_then(Value::as_u64)
                    > Some(0),
                "{phase}"
            );
        }
        if phase["name"] == "flood" {
            assert!(
                phase
                    .pointer("/classes/2/dropped_packets")
                    .and_then(Value::as_u64)
                    > Some(0),
                "{phase}"
            );
        }
    }
}

#[test]
fn it_prints_one_document_about_four_phases_and_leaves_nothing() -> anyhow::Result<()> {
    if !require_root("the demo prints one document") {
        return Ok(());
    }
    let mut demo = Demo::start(&["--duration", "8", "--json"])?;

    let finished = demo.wait()?;

    let document = finished.json();
    assert_has_four_phases(&document);
    // Whether a guarantee holds is for a machine that has nothing else to do.
    let code = i32::from(document["ok"] != true);
    assert_eq!(finished.code, Some(code), "{finished:?}");
    demo.assert_nothing_is_left(&BTreeSet::new())
}

#[test]
fn signals_end_it_early_and_leave_nothing() -> anyhow::Result<()> {
    if !require_root("signals end the demo") {
        return Ok(());
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut demo = Demo::start(&["--duration", "600", "--json"])?;
        let own = network_of(Path::new("/proc/self"));
        let namespaces = until_some("the daemon is in its namespace", || {
            let of_daemons = demo.daemons();
            let of_daemons = of_daemons.iter().filter_map(|daemon| network_of(daemon));
            let inside: BTreeSet<_> = of_daemons.filter(|of| Some(of) != own.as_ref()).collect();
            (!inside.is_empty()).then_some(inside)
        });

        demo.signal(signal)?;
        until("the demo ends", || {
            demo.child
                .as_mut()
                .is_none_or(|child| matches!(child.try_wait(), Ok(Some(_)) | Err(_)))
        });

        let finished = demo.wait()?;
        assert_eq!(finished.code, Some(1), "{signal}: {finished:?}");
        assert_eq!(finished.stdout, "", "{signal}");
        assert!(
            finished.stderr.contains("interrupted"),
            "{signal}: {finished:?}"
        );
        demo.assert_nothing_is_left(&namespaces)?;
    }
    Ok(())
}

#[test]
fn a_killed_demo_takes_its_daemon_and_namespaces_with_it() -> anyhow::Result<()> {
    if !require_root("a killed demo takes its daemon with it") {
        return Ok(());
    }
    let mut demo = Demo::start(&["--duration", "600", "--json"])?;
    until("the daemon runs", || !demo.daemons().is_empty());

    demo.signal(Signal::SIGKILL)?;
    demo.wait()?;

    until("the daemon is gone", || demo.daemons().is_empty());
    Ok(())
}
