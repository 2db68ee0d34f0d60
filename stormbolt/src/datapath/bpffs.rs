//! The file system that pins live in.

use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use thiserror::Error;

/// Where it is mounted, on every machine that has systemd and on most others.
const MOUNT_POINT: &str = "/sys/fs/bpf";

/// Why nothing can be pinned, or what is pinned cannot be had.
#[derive(Debug, Error)]
pub enum PinError {
    /// The bpffs cannot be mounted.
    #[error(
        "nothing is mounted at {MOUNT_POINT}, and a bpffs cannot be mounted there: mount one with \
         `mount -t bpf bpf {MOUNT_POINT}`, name another with --bpffs, or go without with --no-pins"
    )]
    Mount(#[source] io::Error),
    /// The directory is on another file system.
    #[error(
        "{} is not on a bpffs: mount one with `mount -t bpf bpf {}`, or choose a directory below \
         {MOUNT_POINT}", path.display(), path.display()
    )]
    NotBpffs {
        /// The directory.
        path: PathBuf,
    },
    /// Another daemon uses the directory.
    #[error(
        "another daemon keeps its pins in {}: stop it, or give this one a directory of its own with \
         --bpffs", path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused to pin something.
    #[error("cannot pin to {}", path.display())]
    Pin {
        /// Where.
        path: PathBuf,
        /// The kernel's answer.
        source: aya::pin::PinError,
    },
}

impl PinError {
    pub(super) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn pin(path: &Path) -> impl FnOnce(aya::pin::PinError) -> Self {
        move |source| Self::Pin {
            path: path.to_owned(),
            source,
        }
    }
}

/// Makes sure that `directory`, which need not exist, is or will be on a bpffs; mounts one at the usual
/// place where none is.
pub(super) fn ensure(directory: &Path) -> Result<(), PinError> {
    if is_bpffs(directory)? {
        return Ok(());
    }
    if !directory.starts_with(MOUNT_POINT) {
        return Err(PinError::NotBpffs {
            path: directory.to_owned(),
        });
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(
        Some("bpf"),
        MOUNT_POINT,
        Some("bpf"),
        flags,
        Some("mode=700"),
    )
    .map_err(|errno| PinError::Mount(errno.into()))?;
    tracing::info!("mounted a bpffs at {MOUNT_POINT}");
    Ok(())
}

/// Whether the directory, or the first above it that exists, is on a bpffs.
pub(super) fn is_bpffs(directory: &Path) -> Result<bool, PinError> {
    let existing = directory.ancestors().find(|path| path.exists());
    let existing = existing.unwrap_or_else(|| Path::new("/"));
    let found =
        statfs(existing).map_err(|errno| PinError::io("look at", existing)(errno.into()))?;
    Ok(found.filesystem_type() == BPF_FS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_elsewhere_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins");
        let message = ensure(&path).unwrap_err().to_string();
        let remedy = format!("mount -t bpf bpf {}", path.display());
        assert!(message.contains(&remedy), "{message}");
    }
}
