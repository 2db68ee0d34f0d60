//! Anonymous network namespaces.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getpid, getppid};
use rtnetlink::LinkUnspec;

use super::LabError;
use super::netlink::with_netlink;

/// The kernel gives every namespace's loopback this index.
const LOOPBACK_INDEX: u32 = 1;

/// A network namespace without a name in the file system.
///
/// Clones refer to the same namespace. The kernel removes it, with the links in it and their
/// peers, when the last clone is dropped and no socket, thread or child process is left inside;
/// so nothing survives the process, however it ends.
#[derive(Clone, Debug)]
pub struct Namespace {
    label: String,
    file: Arc<File>,
}

impl Namespace {
    /// Creates a namespace whose loopback is up. `label` appears in errors only.
    ///
    /// # Errors
    ///
    /// [`LabError::NeedsRoot`] without `CAP_SYS_ADMIN`; else what the kernel answers.
    pub fn new(label: &str) -> Result<Self, LabError> {
        // A thread of its own, since `unshare` would move the caller too.
        let file = on_own_thread(label, || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        })?
        .map_err(|source: io::Error| match source.raw_os_error() {
            Some(libc::EPERM) => LabError::NeedsRoot {
                operation: "creating a network namespace",
                capability: "CAP_SYS_ADMIN",
            },
            _ => LabError::Io {
                operation: format!("create the namespace `{label}`"),
                source,
            },
        })?;
        let namespace = Self {
            label: label.to_owned(),
            file: Arc::new(file),
        };
        with_netlink(
            &namespace,
            format!("set the loopback of `{label}` up"),
            async |netlink| {
                let up = LinkUnspec::new_with_index(LOOPBACK_INDEX).up().build();
                netlink.link().change(up).execute().await
            },
        )?;
        Ok(namespace)
    }

    /// Returns the label given at creation.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns a descriptor of the namespace, as `setns` and `IFLA_NET_NS_FD` take it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `f` on a new thread inside the namespace and waits for its result.
    ///
    /// Sockets made by `f` stay in the namespace wherever they are used afterwards. A panic of `f`
    /// continues in the caller.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started or may not enter the namespace.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        on_own_thread(&self.label, || {
            self.enter()
                .map(|()| f())
                .map_err(LabError::io(format!("enter `{}`", self.label)))
        })?
    }

    /// Moves the calling thread into the namespace, for good.
    pub(super) fn enter(&self) -> Result<(), Errno> {
        setns(self.fd(), CloneFlags::CLONE_NEWNET)
    }

    /// Prepares `program` to run inside the namespace and to be killed when this process dies.
    ///
    /// The kernel ties the kill to the *thread* that spawned the child. Spawn from a thread that
    /// lives as long as the child is wanted, or with [`super::spawn_for_process_lifetime`].
    /// `/sys` still shows the devices of the namespace that mounted it; `/proc/self/net` is right.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let file = Arc::clone(&self.file);
        let parent = getpid();
        let enter = move || {
            setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?;
            // A caller that waits for signals on a thread has them blocked on all of them, and a
            // child that inherits that can't be told to end.
            SigSet::empty().thread_set_mask()?;
            set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have died before the line above took effect.
            if getppid() == parent {
                Ok(())
            } else {
                Err(io::Error::from(Errno::ESRCH))
            }
        };
        // SAFETY: between fork and exec `enter` makes system calls only: it takes no lock and
        // allocates nothing (errors from `Errno` are plain numbers).
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Writes `value` to a network setting of this namespace, as in
    /// `sysctl("net.ipv4.ip_forward", "1")`.
    ///
    /// # Errors
    ///
    /// When the setting does not exist or refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), LabError> {
        // `/proc/sys/net` shows the namespace of the thread that opens it.
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        self.run(|| std::fs::write(&path, value))?
            .map_err(LabError::io(format!(
                "set {key} to `{value}` in `{}`",
                self.label
            )))
    }
}

/// Runs `f` on a thread that ends with it, and hands on its result or its panic.
fn on_own_thread<T: Send>(label: &str, f: impl FnOnce() -> T + Send) -> Result<T, LabError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, f)
            .map_err(LabError::io(format!("start a thread for `{label}`")))?;
        Ok(thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}
