//! Programs of others that go on with what passes.
//!
//! The program goes over into them by a tail call. Which one belongs to an interface stands in `FOLLOWERS`, for each policy in a
//! place of its own, so that a packet that sees the old policy sees the old follower. Which interfaces may have one stands in
//! `ACTIVE`, where every packet looks, for as long as one of the two policies says so.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::maps::{MapError, ProgramArray};
use aya::programs::{ProgramError, ProgramInfo, Xdp};
use aya_obj::generated::bpf_prog_type::BPF_PROG_TYPE_XDP;
use aya_obj::programs::XdpAttachType;
use stormbolt_common::follow::{followed_bit, follower_index};
use stormbolt_common::policy::{Active, policy_slot};
use thiserror::Error;

use super::bpffs;
use super::error::DatapathError;
use super::load::{Datapath, xdp_program};
use super::maps;

/// How the kernel calls what a descriptor of a program is open on (`__bpf_prog_get` in `kernel/bpf/syscall.c`).
const PROGRAM_DESCRIPTOR: &str = "anon_inode:bpf-prog";

/// A program of somebody else, opened by its pin.
#[derive(Debug)]
pub struct Follower {
    /// Name of the interface.
    pub interface: String,
    /// Where it is pinned.
    pub path: PathBuf,
    /// Its number in the kernel.
    pub program_id: u32,
    /// Its name, as far as the kernel keeps it.
    pub program_name: String,
    tag: u64,
    program: Xdp,
}

/// Why a program cannot go on with what passes.
#[derive(Debug, Error)]
pub enum FollowerError {
    /// Nothing is there.
    #[error(
        "nothing is pinned there, as on every bpffs after a reboot: pin the program, with `bpftool prog pin id N {}` for \
         example, or take `then` out of the policy", _0.display()
    )]
    Missing(PathBuf),
    /// It is a file like others.
    #[error(
        "it is not on a bpffs, the file system that programs are pinned in: pin the program below /sys/fs/bpf, with \
         `bpftool prog pin id N PATH` or, if it is not loaded yet, `bpftool prog load {} PATH`", _0.display()
    )]
    NotPinned(PathBuf),
    /// The daemon's user may not open it.
    #[error(
        "this user may not open it: give it the pin, for the service with `chown stormbolt {}`, and a way through the \
         directories above it", _0.display()
    )]
    NotPermitted(PathBuf),
    /// A map or a link is pinned there.
    #[error(
        "what is pinned there is no program (`{0}`): pin the program itself, `bpftool prog show` lists them"
    )]
    NotAProgram(String),
    /// It is for something else than frames that arrive.
    #[error(
        "what is pinned there is a program, but no XDP program: `bpftool prog show` says the type of each"
    )]
    NotXdp,
    /// Packets would go in a circle.
    #[error(
        "what is pinned there is StormBolt's own program: name one of somebody else, or take `then` out of the policy"
    )]
    Own,
    /// A tail call is not possible.
    #[error(
        "the kernel does not let one program go over into the other. It takes XDP programs that are as ours is: for interfaces \
         (section `xdp`, attach type `BPF_XDP`), not for frames in pieces (`xdp.frags`), not bound to one device, not \
         extended by others (as the dispatcher of libxdp is), and compiled if ours is (`net.core.bpf_jit_enable`)"
    )]
    Refused(#[source] Box<MapError>),
    /// The kernel does not hand it out.
    #[error("it cannot be opened")]
    Open(#[source] Box<ProgramError>),
}

impl Follower {
    /// Opens the program that is pinned at `path`, for the packets of the interface called so.
    ///
    /// # Errors
    /// There is no XDP program that this process may open.
    pub fn open(interface: &str, path: &str) -> Result<Self, DatapathError> {
        let path = PathBuf::from(path);
        let failed = |source| refused(interface, &path, source);
        let (program, info) = opened(&path).map_err(failed)?;
        Ok(Self {
            program_id: info.id(),
            program_name: info.name_as_str().unwrap_or_default().to_owned(),
            tag: info.tag(),
            interface: interface.to_owned(),
            path,
            program,
        })
    }
}

impl Datapath {
    /// Lets programs go on with what passes on interfaces, by number, under the policy of a generation that is not in force
    /// yet.
    ///
    /// # Errors
    /// The kernel refuses one: then there are none under that policy.
    pub fn set_followers(
        &mut self,
        generation: u32,
        followers: &[(u32, Arc<Follower>)],
    ) -> Result<(), DatapathError> {
        self.forget_followers(generation);
        if followers.is_empty() {
            return Ok(());
        }
        let own = self.own_tags()?;
        let written = followers.iter().try_for_each(|(number, follower)| {
            let place = follower_index(policy_slot(generation), *number);
            let written = self.write_follower(place, follower, &own);
            written.map_err(|source| refused(&follower.interface, &follower.path, source))
        });
        if let Some(numbers) = self.numbers_followed(generation) {
            numbers.extend(followers.iter().map(|(number, _)| *number));
        }
        match written {
            Ok(()) => self.write_followed(),
            Err(_) => self.forget_followers(generation),
        }
        written
    }

    /// Lets go of the programs of a generation that no packet is in.
    pub fn forget_followers(&mut self, generation: u32) {
        let Some(numbers) = self.numbers_followed(generation).map(std::mem::take) else {
            return;
        };
        if numbers.is_empty() {
            return;
        }
        self.write_followed();
        for number in numbers {
            let place = follower_index(policy_slot(generation), number);
            let cleared = self.followers().map(|mut map| map.clear_index(&place));
            // What was not written is not there.
            drop(cleared);
        }
    }

    fn numbers_followed(&mut self, generation: u32) -> Option<&mut BTreeSet<u32>> {
        let slot = usize::try_from(policy_slot(generation)).ok()?;
        self.followed.get_mut(slot)
    }

    fn write_follower(
        &mut self,
        place: u32,
        follower: &Follower,
        own: &[u64],
    ) -> Result<(), FollowerError> {
        if own.contains(&follower.tag) {
            return Err(FollowerError::Own);
        }
        let open = |error| FollowerError::Open(Box::new(error));
        let program = follower.program.fd().map_err(open)?;
        let not_taken = |error| FollowerError::Refused(Box::new(error));
        let mut map = self.followers().map_err(not_taken)?;
        map.set(place, program, 0).map_err(not_taken)
    }

    fn followers(&mut self) -> Result<ProgramArray<&mut aya::maps::MapData>, MapError> {
        let missing = || MapError::InvalidName {
            name: maps::FOLLOWERS.to_owned(),
        };
        ProgramArray::try_from(self.ebpf.map_mut(maps::FOLLOWERS).ok_or_else(missing)?)
    }

    /// What the programs of this build are known by, whoever has loaded them.
    fn own_tags(&mut self) -> Result<Vec<u64>, DatapathError> {
        let mut tags = Vec::new();
        for name in maps::PACKET_PROGRAMS {
            let info = xdp_program(&mut self.ebpf, name)?.info();
            tags.push(
                info.map_err(DatapathError::program("ask about", name))?
                    .tag(),
            );
        }
        Ok(tags)
    }

    /// Says for which interfaces there may be one, under either policy.
    fn write_followed(&self) {
        let numbers = self.followed.iter().flatten();
        let bits = numbers.fold(0, |bits, &number| bits | followed_bit(number));
        self.active.set_word(0, offset_of!(Active, followed), bits);
    }
}

fn opened(path: &Path) -> Result<(Xdp, ProgramInfo), FollowerError> {
    let program = Xdp::from_pin(path, XdpAttachType::Interface)
        .map_err(|error| why_not_opened(path, error))?;
    let open = |error| FollowerError::Open(Box::new(error));
    let descriptor = program.fd().map_err(open)?.as_fd().as_raw_fd();
    // The kernel answers for maps and links as well, with numbers that mean something else.
    let kind = fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap_or_default();
    if kind != Path::new(PROGRAM_DESCRIPTOR) {
        return Err(FollowerError::NotAProgram(kind.display().to_string()));
    }
    let info = program.info().map_err(open)?;
    if info.program_type() != BPF_PROG_TYPE_XDP {
        return Err(FollowerError::NotXdp);
    }
    Ok((program, info))
}

fn why_not_opened(path: &Path, error: ProgramError) -> FollowerError {
    let kind = if let ProgramError::SyscallError(error) = &error {
        error.io_error.kind()
    } else {
        io::ErrorKind::Other
    };
    let owned = path.to_owned();
    if kind == io::ErrorKind::NotFound {
        FollowerError::Missing(owned)
    } else if !bpffs::is_bpffs(path).unwrap_or(true) {
        FollowerError::NotPinned(owned)
    } else if kind == io::ErrorKind::PermissionDenied {
        FollowerError::NotPermitted(owned)
    } else {
        FollowerError::Open(Box::new(error))
    }
}

fn refused(interface: &str, path: &Path, source: FollowerError) -> DatapathError {
    DatapathError::Follower {
        interface: interface.to_owned(),
        path: path.to_owned(),
        source,
    }
}
