//! The socket of the API in the file system.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, chown};
use thiserror::Error;

/// Owner and group may connect, nobody else.
const SOCKET_MODE: u32 = 0o660;
/// Connections that the kernel lets wait.
const BACKLOG: i32 = 128;

/// Why the socket cannot be had.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another daemon answers on it.
    #[error("a daemon is already running: it answers on {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket is in the way.
    #[error("{} is not a socket: move it away or choose another --socket", path.display())]
    NotASocket {
        /// What is in the way.
        path: PathBuf,
    },
    /// The file system or the kernel refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// The socket file, removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another daemon's socket may stand there by now.
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == self.device_and_inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Listens at `path`, as owner and group only; makes its directory where it is missing. The socket, and a directory
/// that is made, belong to `group` if it is given.
///
/// The socket of a daemon that is gone is replaced.
///
/// # Errors
///
/// A daemon answers on the socket, something else is in the way, or the kernel refuses.
pub(super) fn listen_at(
    path: &Path,
    group: Option<Gid>,
) -> Result<(UnixListener, SocketFile), SocketError> {
    let failed = |operation| {
        move |source: io::Error| SocketError::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    make_directory(directory, group).map_err(failed("make the directory of"))?;
    // Two daemons that start at once would both take the old socket for stale. A lock on the
    // directory leaves no file behind.
    let lock = File::open(directory).map_err(failed("open the directory of"))?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, errno)| failed("lock the directory of")(errno.into()))?;
    remove_stale(path)?;
    let listener = bound(path).map_err(failed("listen on"))?;
    if group.is_some() {
        chown(path, None, group).map_err(|errno| failed("give the group")(errno.into()))?;
    }
    let file = fs::symlink_metadata(path).map_err(failed("find"))?;
    let file = SocketFile {
        path: path.to_owned(),
        device_and_inode: (file.dev(), file.ino()),
    };
    // What the umask took away on binding.
    let mode = Permissions::from_mode(SOCKET_MODE);
    fs::set_permissions(path, mode).map_err(failed("set the permissions of"))?;
    Ok((listener, file))
}

/// The directory itself is ours alone, those above it are anybody's to see.
fn make_directory(directory: &Path, group: Option<Gid>) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(above) = directory.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)?;
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(directory)?;
    if group.is_some() {
        chown(directory, None, group)?;
    }
    Ok(())
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |operation| {
        move |source| SocketError::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("find")(error)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(SocketError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(
                "replacing {}, left behind by a daemon that is gone",
                path.display()
            );
            fs::remove_file(path).map_err(failed("remove"))
        }
        // A living daemon with a full backlog would block, and one whose socket we may not use
        // refuses us: all of them are alive.
        _ => Err(SocketError::InUse {
            path: path.to_owned(),
        }),
    }
}

/// Nobody else can connect even before the permissions are set: the kernel gives the file the mode
/// of the socket (`unix_bind_bsd` in `net/unix/af_unix.c`).
fn bound(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    fchmod(&socket, Mode::from_bits_truncate(SOCKET_MODE))?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(UnixListener::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_socket_is_for_owner_and_group_in_directories_made_for_it() {
        let directory = directory();
        let path = directory.path().join("run/stormbolt/stormbolt.sock");
        let (_listener, file) = listen_at(&path, None).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(mode(path.parent().unwrap()) & 0o007, 0);
        UnixStream::connect(&path).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn the_socket_of_a_dead_daemon_is_replaced() {
        let directory = directory();
        let path = directory.path().join("socket");
        drop(UnixListener::bind(&path).unwrap());
        assert!(
            path.exists(),
            "std leaves the file behind, as a killed daemon does"
        );
        let (_listener, _file) = listen_at(&path, None).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn the_socket_of_a_living_daemon_is_left_alone() {
        let directory = directory();
        let path = directory.path().join("socket");
        let (_listener, _file) = listen_at(&path, None).unwrap();
        let error = listen_at(&path, None).unwrap_err();
        let expected = format!(
            "a daemon is already running: it answers on {}",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let directory = directory();
        let path = directory.path().join("socket");
        fs::write(&path, "precious").unwrap();
        let error = listen_at(&path, None).unwrap_err();
        assert!(matches!(error, SocketError::NotASocket { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_successors_socket_is_not_removed() {
        let directory = directory();
        let path = directory.path().join("socket");
        let (_old_listener, old_file) = listen_at(&path, None).unwrap();
        fs::remove_file(&path).unwrap();
        let (_listener, _file) = listen_at(&path, None).unwrap();
        drop(old_file);
        assert!(path.exists());
    }
}
