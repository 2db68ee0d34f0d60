//! A container that boots, goes through the journey and is turned off.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::ebpf::compile;

/// Debian with systemd 252, the oldest that the service is meant for.
const SUITE: &str = "bookworm";
/// Beside a minimal system.
const INCLUDED: &str = "--include=systemd,systemd-sysv,dbus,iproute2,iputils-ping,man-db";
/// For the whole journey, in seconds; it takes about 30.
const TIMEOUT: &str = "300";

const JOURNEY: &str = include_str!("journey");
const JOURNEY_SERVICE: &str = include_str!("journey.service");

/// The container's folder.
pub(super) struct Machine {
    folder: PathBuf,
    /// The sources' folder.
    sources: PathBuf,
}

impl Machine {
    /// The machine in `folder`, made where it is missing.
    pub(super) fn at(folder: PathBuf, sources: PathBuf) -> Result<Self> {
        let machine = Self { folder, sources };
        if !machine.root().is_dir() {
            machine.make()?;
        }
        Ok(machine)
    }

    fn root(&self) -> PathBuf {
        self.folder.join(SUITE)
    }

    fn make(&self) -> Result<()> {
        // Under another name until it is complete.
        let unfinished = self.folder.join("unfinished");
        drop(fs::remove_dir_all(&unfinished));
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let mut debootstrap = Command::new("debootstrap");
        debootstrap
            .args(["--variant=minbase", INCLUDED, SUITE])
            .arg(&unfinished);
        compile::run(&mut debootstrap, "the machine cannot be made")?;
        fs::rename(&unfinished, self.root()).context("cannot rename the machine")
    }

    /// Boots it with these packages, prints what the journey has printed, and fails if the journey did.
    pub(super) fn travel(&self, packages: &[PathBuf]) -> Result<()> {
        let share = self.folder.join("share");
        drop(fs::remove_dir_all(&share));
        fs::create_dir_all(&share).with_context(|| format!("cannot make {}", share.display()))?;
        for package in packages {
            let name = package.file_name().unwrap_or_default();
            fs::copy(package, share.join(name))
                .with_context(|| format!("cannot copy {}", package.display()))?;
        }
        let readme = "README.md";
        fs::copy(self.sources.join(readme), share.join(readme))
            .context("cannot copy the README")?;
        let journey = share.join("journey");
        write(&journey, JOURNEY)?;
        fs::set_permissions(&journey, fs::Permissions::from_mode(0o755))
            .context("cannot make the journey a program")?;
        let service = share.join("journey.service");
        write(&service, JOURNEY_SERVICE)?;

        let console = self.folder.join("console");
        let booted = self.boot(&share, &service, &console);
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        eprintln!("{}", read(&share.join("log")));
        match (booted, read(&share.join("result")).trim()) {
            (Ok(()), "0") => Ok(()),
            (_, "") => bail!(
                "the machine did not come to the end of the journey:\n{}",
                read(&console)
            ),
            (_, code) => bail!("the journey ended with {code}"),
        }
    }

    fn boot(&self, share: &Path, service: &Path, console: &Path) -> Result<()> {
        let output = fs::File::create(console)
            .with_context(|| format!("cannot write {}", console.display()))?;
        let errors = output.try_clone().context("cannot share the console")?;
        let mut nspawn = Command::new("timeout");
        nspawn
            .args([
                "--kill-after=10",
                TIMEOUT,
                "systemd-nspawn",
                "--quiet",
                "--boot",
            ])
            .arg("--directory")
            .arg(self.root())
            // Whatever is done to it is in memory.
            .arg("--volatile=overlay")
            .args(["--private-network", "--register=no", "--keep-unit"])
            .args([
                "--capability=all",
                "--system-call-filter=bpf perf_event_open",
            ])
            .arg(format!("--bind={}:/mnt", share.display()))
            .arg(format!(
                "--bind-ro={}:/etc/systemd/system/journey.service",
                service.display()
            ))
            .arg("systemd.wants=journey.service")
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "yes")
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .stdin(std::process::Stdio::null())
            .stdout(output)
            .stderr(errors);
        compile::run(&mut nspawn, "the machine does not boot")
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
