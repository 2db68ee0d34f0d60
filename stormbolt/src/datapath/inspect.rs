//! Looks at what is there without taking, making or changing anything.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::pin;

use futures_util::StreamExt;
use nix::sys::stat::{major, minor};
use stormbolt_common::limits::CellLayout;

use super::attach::AttachedMode;
use super::bpffs::{self, PinError};
use super::device;
use super::error::DatapathError;
use super::foreign;
use super::load::{Datapath, TableSizes};
use super::pins::{FoundLink, LINKS, Pins};
use super::record::Record;

/// A network device as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceSeen {
    /// Number of the interface.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// What kind of virtual device it is, `veth`; empty for hardware.
    pub kind: String,
    /// Whether it is the loopback device.
    pub is_loopback: bool,
    /// Whether it is set up.
    pub is_up: bool,
    /// Longest IP packet in bytes.
    pub mtu: u32,
    /// Number of the XDP program that runs on it, and how.
    pub program: Option<(u32, AttachedMode)>,
}

/// The devices of the caller's network namespace.
///
/// # Errors
/// The kernel does not say.
pub fn devices() -> io::Result<Vec<DeviceSeen>> {
    device::with_netlink(async |netlink| {
        let mut links = pin!(netlink.link().get().execute());
        let mut found = Vec::new();
        while let Some(link) = links.next().await {
            found.push(device::seen(&link?));
        }
        Ok(found)
    })
}

/// What is pinned in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinsSeen {
    /// Whether the directory is, or would be, on a bpffs.
    pub on_bpffs: bool,
    /// Whether a daemon keeps it locked.
    pub in_use: bool,
    /// Interfaces that a link is pinned for.
    pub links: usize,
    /// Numbers of the programs that those run.
    pub programs: Vec<u32>,
    /// The layout version of each set of tables; `None`: it does not say, since it is not whole.
    pub layouts: Vec<Option<u32>>,
}

impl Pins {
    /// Looks at the directory `base`, which need not be there.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn look(base: &Path) -> Result<PinsSeen, PinError> {
        let on_bpffs = bpffs::is_bpffs(base)?;
        if !base.try_exists().map_err(PinError::io("look at", base))? {
            return Ok(PinsSeen {
                on_bpffs,
                ..PinsSeen::default()
            });
        }
        let links = super::pins::links_in(&base.join(LINKS))?;
        let tables = super::pins::tables_in(base)?;
        let layout = |path: &Path| Some(Record::read(path).ok()??.layout_version);
        Ok(PinsSeen {
            on_bpffs,
            in_use: is_locked(base)?,
            links: links.len(),
            programs: links.iter().filter_map(FoundLink::program_id).collect(),
            layouts: tables.iter().map(|(_, path)| layout(path)).collect(),
        })
    }
}

/// Whether a process has locked a directory. It is not tried: a daemon that begins meanwhile must find it free.
fn is_locked(directory: &Path) -> Result<bool, PinError> {
    let about = fs::metadata(directory).map_err(PinError::io("look at", directory))?;
    let path = Path::new("/proc/locks");
    let locks = fs::read_to_string(path).map_err(PinError::io("read", path))?;
    let (device, inode) = (about.dev(), about.ino());
    // `locks_get_status` in `fs/locks.c`: device numbers in hexadecimal, the inode in decimal.
    let place = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    let mut words = locks.lines().map(|line| line.split_ascii_whitespace());
    Ok(words.any(|mut words| words.any(|word| word == place)))
}

/// The program, to see whether the kernel takes it.
#[derive(Debug)]
pub struct Trial;

impl Trial {
    /// Loads the program with small tables and unloads it again.
    ///
    /// # Errors
    /// Why the kernel does not take it.
    pub fn load() -> Result<(), DatapathError> {
        let sizes = TableSizes {
            bytes: 1 << 16,
            flows: 256,
            cells: CellLayout::DEFAULT,
            sources: 64,
            cpus: 0,
        };
        Datapath::load(1, sizes).map(drop)
    }

    /// What is known of XDP program number `id`, as people read it.
    pub fn describe(id: u32) -> String {
        foreign::describe(id)
    }
}

#[cfg(test)]
mod tests {
    use nix::fcntl::{Flock, FlockArg};

    use super::*;

    #[test]
    fn a_directory_is_locked_while_somebody_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_locked(folder.path()).unwrap());
        let file = fs::File::open(folder.path()).unwrap();
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
        assert!(is_locked(folder.path()).unwrap());
        drop(lock);
        assert!(!is_locked(folder.path()).unwrap());
    }

    #[test]
    fn the_loopback_device_is_seen_without_a_program() {
        let devices = devices().unwrap();
        let lo = devices.iter().find(|one| one.name == "lo").unwrap();
        assert!(lo.is_loopback && lo.program.is_none(), "{lo:?}");
    }
}
