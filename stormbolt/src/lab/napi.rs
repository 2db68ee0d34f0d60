//! The receiving core: which CPU takes frames off a link.
//!
//! A network card raises its interrupt on one CPU. A veth does its receive work on whatever CPU the
//! sender runs on, so that a flood's sender and receiver would slow each other down in lockstep,
//! which no network does. Threaded NAPI gives a veth a receiving thread that can be put on a CPU.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::unistd::Pid;

use super::priority::put_first;
use super::{Interface, LabError};

impl Interface {
    /// Receives this interface's frames on `cpu`, by a thread of its own that goes first there,
    /// as a card's interrupt work does.
    ///
    /// # Errors
    ///
    /// When the kernel has no threaded NAPI (before 5.12) or no such CPU.
    pub fn receive_on(&self, cpu: usize) -> Result<(), LabError> {
        let operation = || format!("receive `{}` on CPU {cpu}", self.name());
        let name = self.name().to_owned();
        self.namespace()
            .run(move || make_threaded(&name))?
            .map_err(LabError::io(operation()))?;
        let mut cpus = CpuSet::new();
        cpus.set(cpu).map_err(LabError::io(operation()))?;
        for thread in receive_threads(self.name()).map_err(LabError::io(operation()))? {
            sched_setaffinity(thread, &cpus).map_err(LabError::io(operation()))?;
            put_first(thread).map_err(LabError::io(operation()))?;
        }
        Ok(())
    }
}

/// Writes the device's `threaded` attribute. The sysfs that shows the calling thread's network
/// namespace has to be mounted first; a mount namespace of the thread's own keeps that to itself.
fn make_threaded(name: &str) -> std::io::Result<()> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none)?;
    fs::write(Path::new("/sys/class/net").join(name).join("threaded"), "1")
}

/// The kernel threads that receive for a device, by their names.
fn receive_threads(name: &str) -> Result<Vec<Pid>, Errno> {
    let prefix = format!("napi/{name}-");
    let processes = fs::read_dir("/proc").map_err(|_| Errno::ENOENT)?;
    let threads = processes.filter_map(Result::ok).filter_map(|process| {
        let number = process.file_name().to_str()?.parse().ok()?;
        // The name of a kernel thread is cut to 15 bytes here.
        let comm = fs::read_to_string(process.path().join("comm")).ok()?;
        let comm = comm.trim_end();
        (!comm.is_empty() && prefix.starts_with(comm) || comm.starts_with(&prefix))
            .then(|| Pid::from_raw(number))
    });
    let threads: Vec<Pid> = threads.collect();
    if threads.is_empty() {
        Err(Errno::ENOENT)
    } else {
        Ok(threads)
    }
}
