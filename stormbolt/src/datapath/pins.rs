//! What outlives the daemon: links, programs and maps, pinned in a directory of a bpffs.
//!
//! ```text
//! /sys/fs/bpf/stormbolt/
//!     links/<ifindex>-<mode>     the program on an interface
//!     tables-<number>/           the programs and maps of one daemon, by name, and their RECORD
//! ```
//!
//! Each daemon makes tables of its own, whose counters and buckets may be those of the one before
//! ([`super::lasting`]), puts its policy into them, and only then lets the links run its program, one
//! system call for each. So at any moment, also when it is killed, a link runs a program whose tables
//! are whole. What no link needs any more goes last.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aya::programs::ProgramInfo;
use aya::programs::links::{FdLink, PinnedLink};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::attach::AttachedMode;
use super::bpffs::{self, PinError};
use super::maps;
use super::record::RECORD;

/// The directory of the links.
pub(super) const LINKS: &str = "links";
/// How the directories of tables begin.
const TABLES: &str = "tables-";

/// The pins of this process, and those that it found.
#[derive(Debug)]
pub struct Pins {
    base: PathBuf,
    /// The tables of this process.
    own: PathBuf,
    /// The tables of the one before it.
    before: Option<PathBuf>,
    /// Whether nothing runs the tables of those before.
    settled: bool,
    /// Whether everything stays when this is dropped.
    leave: bool,
    /// Held for its drop: nobody else changes the pins.
    _lock: Flock<File>,
}

/// A link that another process has pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundLink {
    pub(super) ifindex: u32,
    pub(super) mode: AttachedMode,
    pub(super) path: PathBuf,
}

/// What [`Pins::remove`] has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Interfaces that a program was attached to.
    pub interfaces: usize,
    /// Sets of programs and maps.
    pub tables: usize,
}

impl Pins {
    /// Mounts a bpffs for the directory `base`, if one has to be: while the process still may. Where that cannot be
    /// done, [`Self::open`] says why.
    pub fn prepare(base: &Path) {
        if let Err(error) = bpffs::ensure(base) {
            tracing::debug!("{error}");
        }
    }

    /// Takes the directory `base`, which is made where it is missing, and finds out what is pinned
    /// there.
    ///
    /// # Errors
    /// It is not on a bpffs, another daemon uses it, or the kernel refuses.
    pub fn open(base: &Path) -> Result<Self, PinError> {
        bpffs::ensure(base)?;
        let links = base.join(LINKS);
        make_directory(&links)?;
        let lock = locked(base)?;
        let before = tables_in(base)?;
        let number = before.last().map_or(0, |(number, _)| number + 1);
        let own = base.join(format!("{TABLES}{number}"));
        make_directory(&own)?;
        let before = in_use(&before, &links)?;
        Ok(Self {
            base: base.to_owned(),
            own,
            before,
            settled: false,
            leave: false,
            _lock: lock,
        })
    }

    /// The tables of the only daemon that has any in `base`.
    ///
    /// # Errors
    /// There are none, or several.
    pub fn tables(base: &Path) -> Result<PathBuf, PinError> {
        only_tables(base)
    }

    /// Detaches and removes all that is pinned in `base`.
    ///
    /// # Errors
    /// A daemon uses it, or the kernel refuses.
    pub fn remove(base: &Path) -> Result<Removed, PinError> {
        if !base.exists() {
            return Ok(Removed::default());
        }
        bpffs::ensure(base)?;
        let _lock = locked(base)?;
        let links = links_in(&base.join(LINKS))?;
        let tables = tables_in(base)?;
        remove_all(base)?;
        Ok(Removed {
            interfaces: links.len(),
            tables: tables.len(),
        })
    }

    /// The tables of this process.
    pub(super) fn own(&self) -> &Path {
        &self.own
    }

    /// The tables of the process before, if they are whole.
    pub(super) fn before(&self) -> Option<&Path> {
        self.before.as_deref()
    }

    /// Where the program's link on an interface is pinned.
    pub(super) fn link(&self, ifindex: u32, mode: AttachedMode) -> PathBuf {
        let name = format!("{ifindex}-{}", mode.name());
        self.base.join(LINKS).join(name)
    }

    /// The links that are pinned.
    pub(super) fn links(&self) -> Result<Vec<FoundLink>, PinError> {
        links_in(&self.base.join(LINKS))
    }

    /// Removes the tables that there were before: no packet is in them.
    pub(super) fn settle(&mut self) -> Result<(), PinError> {
        self.settled = true;
        self.before = None;
        for (_, tables) in tables_in(&self.base)? {
            if tables != self.own {
                remove_tree(&tables)?;
            }
        }
        Ok(())
    }

    /// Whether nothing runs the tables of those before.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Lets everything stay as it is.
    pub(super) fn leave(&mut self) {
        self.leave = true;
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // After a defect the traffic is managed for as long as nobody looks after it.
        if self.leave || std::thread::panicking() {
            return;
        }
        // Until it has settled, what it found is not its own.
        let removed = if self.settled {
            remove_all(&self.base)
        } else {
            remove_tree(&self.own)
        };
        if let Err(error) = removed {
            tracing::warn!("{}", crate::causes::with_causes(&error));
        }
    }
}

fn make_directory(path: &Path) -> Result<(), PinError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(PinError::io("make", path))
}

fn locked(base: &Path) -> Result<Flock<File>, PinError> {
    let directory = File::open(base).map_err(PinError::io("open", base))?;
    Flock::lock(directory, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == Errno::EWOULDBLOCK {
            PinError::InUse {
                path: base.to_owned(),
            }
        } else {
            PinError::io("lock", base)(errno.into())
        }
    })
}

/// The links first: what they run goes after them.
fn remove_all(base: &Path) -> Result<(), PinError> {
    remove_tree(&base.join(LINKS))?;
    for (_, tables) in tables_in(base)? {
        remove_tree(&tables)?;
    }
    // The directory itself may be somebody else's, who made it for a daemon that is not root.
    drop(fs::remove_dir(base));
    Ok(())
}

fn remove_tree(path: &Path) -> Result<(), PinError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(PinError::io("remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The names in a directory; none where it is not there.
fn names(directory: &Path) -> Result<Vec<String>, PinError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(PinError::io("read", directory))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name()));
    let names: io::Result<Vec<_>> = names.collect();
    let names = names.map_err(PinError::io("read", directory))?;
    Ok(names
        .iter()
        .filter_map(|name| OsStr::to_str(name))
        .map(str::to_owned)
        .collect())
}

/// The directories of tables, by number.
pub(super) fn tables_in(base: &Path) -> Result<Vec<(u32, PathBuf)>, PinError> {
    let numbered = |name: &String| {
        let number = name.strip_prefix(TABLES)?.parse().ok()?;
        Some((number, base.join(name)))
    };
    let mut tables: Vec<(u32, PathBuf)> = names(base)?.iter().filter_map(numbered).collect();
    tables.sort();
    Ok(tables)
}

/// The only directory of tables.
pub(super) fn only_tables(base: &Path) -> Result<PathBuf, PinError> {
    let several = |kind: io::ErrorKind| PinError::io("find the only tables in", base)(kind.into());
    let mut tables = tables_in(base)?.into_iter();
    match (tables.next(), tables.next()) {
        (Some((_, only)), None) => Ok(only),
        (None, _) => Err(several(io::ErrorKind::NotFound)),
        (Some(_), Some(_)) => Err(several(io::ErrorKind::ResourceBusy)),
    }
}

pub(super) fn links_in(directory: &Path) -> Result<Vec<FoundLink>, PinError> {
    let found = |name: &String| {
        let (ifindex, mode) = name.split_once('-')?;
        let modes = [AttachedMode::Native, AttachedMode::Generic];
        Some(FoundLink {
            ifindex: ifindex.parse().ok()?,
            mode: modes.into_iter().find(|one| one.name() == mode)?,
            path: directory.join(name),
        })
    };
    Ok(names(directory)?.iter().filter_map(found).collect())
}

/// Of several tables that a daemon which was killed at its start has left: those that the links run, or else
/// the last whole ones.
fn in_use(tables: &[(u32, PathBuf)], links: &Path) -> Result<Option<PathBuf>, PinError> {
    let links = links_in(links)?;
    let running: Vec<u32> = links.iter().filter_map(FoundLink::program_id).collect();
    let whole = || {
        let paths = tables.iter().rev().map(|(_, path)| path);
        paths.filter(|path| path.join(RECORD).exists())
    };
    let runs = |path: &&PathBuf| {
        let info = ProgramInfo::from_pin(path.join(maps::PROGRAM));
        info.is_ok_and(|info| running.contains(&info.id()))
    };
    let mut all = whole();
    Ok(whole().find(runs).or_else(|| all.next()).cloned())
}

impl FoundLink {
    /// The program that runs there.
    pub(super) fn program_id(&self) -> Option<u32> {
        let link = FdLink::from(PinnedLink::from_pin(&self.path).ok()?);
        Some(link.info().ok()?.program_id())
    }
}
