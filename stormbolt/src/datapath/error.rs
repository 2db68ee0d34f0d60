//! What can go wrong between user space and the kernel's half.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::follow::FollowerError;

/// Lines of the verifier's log that are shown.
const VERIFIER_LINES: usize = 12;

/// What can go wrong between user space and the kernel's half.
#[derive(Debug, Error)]
pub enum DatapathError {
    /// The length of a jiffy is not to be had.
    #[error("cannot find out how long a jiffy is")]
    Tick(#[source] std::io::Error),
    /// The kernel did not take the object.
    #[error("cannot load the eBPF object (needs Linux 6.1 or newer with BTF)")]
    Load(#[source] aya::EbpfError),
    /// The caller lacks a capability.
    #[error(
        "not permitted to load eBPF programs: run as root, or with CAP_BPF, CAP_NET_ADMIN and \
         CAP_PERFMON"
    )]
    NotPermitted,
    /// The object lacks a program or map that this binary was built for.
    #[error("the eBPF object has no {kind} `{name}`: it does not belong to this binary")]
    Missing {
        /// Program or map.
        kind: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// The verifier or the attachment refused the program.
    #[error("cannot {operation} program `{name}`")]
    Program {
        /// What was tried.
        operation: &'static str,
        /// The program.
        name: &'static str,
        /// The kernel's answer.
        source: Box<aya::programs::ProgramError>,
    },
    /// The verifier refused the program.
    #[error(
        "the kernel's verifier refuses program `{name}`; please report this with your kernel's \
         version. The end of its log:\n{log}"
    )]
    Verifier {
        /// The program.
        name: &'static str,
        /// The last lines of what the verifier said.
        log: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A map could not be created, read or written.
    #[error("cannot {operation} map `{name}`")]
    Map {
        /// What was tried.
        operation: &'static str,
        /// The map.
        name: &'static str,
        /// The kernel's answer.
        source: Box<aya::maps::MapError>,
    },
    /// The object's type information was refused.
    #[error("cannot load the type information (BTF) of the eBPF object")]
    Btf(#[source] io::Error),
    /// A map could not be mapped into memory.
    #[error("cannot map `{name}` into memory")]
    Memory {
        /// The map.
        name: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The interface does not exist.
    #[error("there is no interface `{name}`; `ip link` lists those there are")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// The interface's number is beyond the table.
    #[error(
        "interface `{name}` has number {ifindex}, beyond the {limit} that are looked up; move it to \
         a fresh network namespace or reboot to get lower numbers"
    )]
    InterfaceNumber {
        /// Its name.
        name: String,
        /// Its number.
        ifindex: u32,
        /// The first number that is not looked up.
        limit: u32,
    },
    /// Another XDP program is attached.
    #[error(
        "interface `{name}` already has an XDP program: {program}; stop what owns it, or detach it with \
         `ip link set dev {name} xdp off`, and start again. If it is to go on with what StormBolt passes, pin it before, \
         `bpftool prog pin id {id} /sys/fs/bpf/stormbolt/NAME`, let the user of the daemon have the pin, \
         `chown stormbolt /sys/fs/bpf/stormbolt/NAME` for the service, and name it below `[interface.{name}]`: \
         `then = \"/sys/fs/bpf/stormbolt/NAME\"`"
    )]
    Occupied {
        /// Its name.
        name: String,
        /// The number of that program, as far as it is known.
        id: String,
        /// What is known of that program.
        program: String,
    },
    /// The program that is to go on with what passes cannot be had.
    #[error("packets of interface `{interface}` cannot go on to {} (`then`)", path.display())]
    Follower {
        /// Name of the interface.
        interface: String,
        /// Where the program is pinned, or should be.
        path: PathBuf,
        /// Why not.
        source: FollowerError,
    },
    /// It is a port of a device that a program runs on, so it runs it already.
    #[error(
        "interface `{name}` is a port of `{master}`, which has an XDP program: the ports of a bond run the \
         bond's program; name the bond in the policy and not its ports"
    )]
    Port {
        /// Its name.
        name: String,
        /// What it is a port of.
        master: String,
    },
    /// The interface can't run the program in the wanted mode.
    #[error("cannot attach to `{name}` in {mode} mode{advice}")]
    Attach {
        /// Its name.
        name: String,
        /// Native or generic.
        mode: &'static str,
        /// Why that may be for this kind of device, or nothing.
        advice: &'static str,
        /// The kernel's answer.
        source: Box<aya::programs::ProgramError>,
    },
    /// What the kernel knows of an interface could not be read.
    #[error("cannot ask the kernel about interface `{name}`")]
    Device {
        /// Its name.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// What is to outlive the daemon cannot be pinned.
    #[error(transparent)]
    Pins(#[from] super::bpffs::PinError),
    /// The CPUs of this machine could not be read.
    #[error("cannot read the list of CPUs")]
    Cpus(#[source] io::Error),
    /// A class wants a CPU that is not there.
    #[error("CPU {cpu} is not there or offline: this machine has CPUs {available}")]
    NoCpu {
        /// The CPU.
        cpu: u32,
        /// Those that are there.
        available: String,
    },
}

impl DatapathError {
    pub(super) fn map(
        operation: &'static str,
        name: &'static str,
    ) -> impl Fn(aya::maps::MapError) -> Self {
        move |source| Self::Map {
            operation,
            name,
            source: Box::new(source),
        }
    }

    pub(super) fn program(
        operation: &'static str,
        name: &'static str,
    ) -> impl Fn(aya::programs::ProgramError) -> Self {
        move |source| Self::Program {
            operation,
            name,
            source: Box::new(source),
        }
    }
    /// The error of loading program `name`: a verifier's log has thousands of lines, of which the
    /// last say what is wrong.
    pub(super) fn refused(name: &'static str, error: aya::programs::ProgramError) -> Self {
        if let aya::programs::ProgramError::LoadError {
            io_error,
            verifier_log,
        } = error
        {
            let log = verifier_log.to_string();
            let lines: Vec<&str> = log.lines().collect();
            let shown = lines.len().saturating_sub(VERIFIER_LINES)..;
            Self::Verifier {
                name,
                log: lines.get(shown).unwrap_or_default().join("\n"),
                source: io_error,
            }
        } else {
            Self::program("load", name)(error)
        }
    }
}
