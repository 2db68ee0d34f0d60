//! What was seen of a machine. `None` stands for what could not be seen.

use std::path::PathBuf;

use stormbolt_control::policy::AttachMode;

use crate::datapath::{AttachedMode, DeviceSeen, PinsSeen};

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) kernel: Kernel,
    /// Capabilities that this process lacks.
    pub(super) missing_rights: Vec<String>,
    pub(super) load: Load,
    /// CPUs that are in use.
    pub(super) cpus: usize,
    pub(super) policy: PolicyFile,
    pub(super) interfaces: Vec<InterfaceFacts>,
    pub(super) daemon: Daemon,
    pub(super) state: Folder,
    pub(super) pins: Pinned,
}

/// The kernel and its settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    /// As `uname -r` has it.
    pub(super) release: String,
    /// `uname -m`.
    pub(super) machine: String,
    pub(super) has_btf: bool,
    /// `net.core.bpf_jit_enable`.
    pub(super) jit: Option<u32>,
    /// `net.core.bpf_jit_harden`.
    pub(super) jit_harden: Option<u32>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub(super) unprivileged_bpf_disabled: Option<u32>,
    /// Where time comes from, `tsc`.
    pub(super) clock_source: Option<String>,
}

/// What the kernel says to StormBolt's own program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Load {
    /// It takes it.
    Taken,
    /// The rights are missing to try.
    #[default]
    NotTried,
    /// Why it does not.
    Refused(String),
}

/// The policy file.
#[derive(Clone, Debug, Default)]
pub(super) struct PolicyFile {
    pub(super) path: PathBuf,
    pub(super) state: PolicyState,
}

/// What is in the policy file.
#[derive(Clone, Debug, Default)]
pub(super) enum PolicyState {
    #[default]
    Missing,
    /// Why it cannot be read.
    Unreadable(String),
    /// What is wrong with it, in a few words.
    Invalid(String),
    Valid(ValidPolicy),
}

/// What matters of a policy here.
#[derive(Clone, Debug, Default)]
pub(super) struct ValidPolicy {
    pub(super) interfaces: Vec<(String, AttachMode)>,
    pub(super) warnings: usize,
    /// Whether some class spreads its flows over CPUs.
    pub(super) steers: bool,
    /// Whether management traffic is exempt from anywhere.
    pub(super) exempt_from_anywhere: bool,
}

/// An interface of the policy, or of the machine where the policy has none.
#[derive(Clone, Debug, Default)]
pub(super) struct InterfaceFacts {
    pub(super) name: String,
    /// What the policy says of it.
    pub(super) wanted: Option<AttachMode>,
    /// `None`: there is none of that name.
    pub(super) device: Option<DeviceSeen>,
    /// How StormBolt runs on it.
    pub(super) ours: Option<AttachedMode>,
    /// What is known of a program of somebody else.
    pub(super) foreign: Option<String>,
    /// Whether it is known which programs are ours: pins and daemon were both to be seen.
    pub(super) ours_are_known: bool,
    pub(super) hardware: Hardware,
}

/// Receive queues of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queues {
    /// What `ethtool -L` calls them.
    pub(super) kind: &'static str,
    /// How many there are.
    pub(super) now: u32,
    /// How many there can be.
    pub(super) most: u32,
}

/// What the driver says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hardware {
    /// `NETDEV_XDP_ACT_*`: what it can do with XDP (Linux 6.3 and newer tell).
    pub(super) xdp_features: Option<u64>,
    /// Its receive queues.
    pub(super) queues: Option<Queues>,
    /// Entries of a receive ring, and how many it can have.
    pub(super) ring: Option<(u32, u32)>,
    /// Names of features that are switched on.
    pub(super) features: Vec<String>,
}

/// The daemon, as the socket shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Daemon {
    pub(super) socket: PathBuf,
    pub(super) answer: Answer,
}

/// What comes of asking the daemon.
#[derive(Clone, Debug, Default)]
pub(super) enum Answer {
    /// Nobody listens there.
    #[default]
    Nobody,
    /// The socket, or the daemon, does not let this user ask. The group that may, if it has one.
    NotPermitted { group: Option<String> },
    /// Something else went wrong.
    Broken(String),
    Status {
        version: String,
        notices: Vec<String>,
    },
}

/// A folder that the daemon writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) state: FolderState,
}

/// What can be done with a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FolderState {
    #[default]
    Missing,
    Writable,
    NotWritable,
    /// It belongs to another user, and this one is not root.
    NotSeen,
}

/// What is pinned.
#[derive(Clone, Debug, Default)]
pub(super) struct Pinned {
    pub(super) path: PathBuf,
    /// An error: why that could not be seen.
    pub(super) seen: Option<Result<PinsSeen, String>>,
}
