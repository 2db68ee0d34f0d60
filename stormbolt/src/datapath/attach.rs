//! Attaches the program to interfaces.

use aya::programs::ProgramError;
use aya::programs::xdp::{XdpLink, XdpMode};
use nix::net::if_::if_nametoindex;
use stormbolt_common::limits::MAX_IFINDEX;
use stormbolt_control::policy::AttachMode;

use super::error::DatapathError;
use super::load::Datapath;
use super::maps;
use crate::causes::with_causes;

/// How the program runs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachedMode {
    /// In the driver, before the kernel has built a packet buffer.
    Native,
    /// In the stack, behind the packet buffer: works everywhere, slower.
    Generic,
}

impl AttachedMode {
    /// As it is written in policies and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }

    const fn xdp(self) -> XdpMode {
        match self {
            Self::Native => XdpMode::Driver,
            Self::Generic => XdpMode::Skb,
        }
    }
}

/// The program on one interface. Dropping it detaches.
#[derive(Debug)]
pub struct Attachment {
    /// Number of the interface.
    pub ifindex: u32,
    /// How the program runs.
    pub mode: AttachedMode,
    /// Why native mode was not possible, when generic mode is a fallback.
    pub fallback: Option<String>,
    /// Held for its drop.
    _link: XdpLink,
}

impl Attachment {
    /// Whether the interface that is called `name` now is the one that the program is attached to.
    pub fn is_on(&self, name: &str) -> bool {
        if_nametoindex(name).is_ok_and(|ifindex| ifindex == self.ifindex)
    }
}

impl Datapath {
    /// Attaches the program to interface `name`. Its packets pass as those of no interface of ours
    /// until [`Datapath::set_interface`] says otherwise. In [`AttachMode::Auto`] generic mode is
    /// taken where the driver can't.
    ///
    /// # Errors
    /// The interface is not there, has another XDP program, or can't run the program in the mode.
    pub fn attach(&mut self, name: &str, mode: AttachMode) -> Result<Attachment, DatapathError> {
        let ifindex = if_nametoindex(name).map_err(|_| DatapathError::NoInterface {
            name: name.to_owned(),
        })?;
        if ifindex >= MAX_IFINDEX {
            return Err(DatapathError::InterfaceNumber {
                name: name.to_owned(),
                ifindex,
                limit: MAX_IFINDEX,
            });
        }
        self.attach_in_mode(name, ifindex, mode)
    }

    /// Lets packets from interface number `ifindex` be seen as interface `index` of the tables;
    /// `None`: as no interface of ours.
    pub fn set_interface(&self, ifindex: u32, index: Option<u32>) {
        let entry = index.map_or(0, |index| index + 1);
        self.interfaces
            .set(usize::try_from(ifindex).unwrap_or(usize::MAX), entry);
    }

    fn attach_in_mode(
        &mut self,
        name: &str,
        ifindex: u32,
        mode: AttachMode,
    ) -> Result<Attachment, DatapathError> {
        match mode {
            AttachMode::Native => self.link(name, ifindex, AttachedMode::Native),
            AttachMode::Generic => self.link(name, ifindex, AttachedMode::Generic),
            AttachMode::Auto => match self.link(name, ifindex, AttachedMode::Native) {
                Err(DatapathError::Attach { source, .. }) => {
                    let mut attachment = self.link(name, ifindex, AttachedMode::Generic)?;
                    attachment.fallback = Some(with_causes(source.as_ref()));
                    Ok(attachment)
                }
                attached => attached,
            },
        }
    }

    fn link(
        &mut self,
        name: &str,
        ifindex: u32,
        mode: AttachedMode,
    ) -> Result<Attachment, DatapathError> {
        let program = self.program_mut()?;
        let id = program
            .attach_to_if_index(ifindex, mode.xdp())
            .map_err(|error| attach_error(name, mode, error))?;
        let link = program
            .take_link(id)
            .map_err(DatapathError::program("keep the link of", maps::PROGRAM))?;
        Ok(Attachment {
            ifindex,
            mode,
            fallback: None,
            _link: link,
        })
    }
}

fn attach_error(name: &str, mode: AttachedMode, error: ProgramError) -> DatapathError {
    let code = if let ProgramError::SyscallError(error) = &error {
        error.io_error.raw_os_error()
    } else {
        None
    };
    match code {
        Some(libc::EBUSY | libc::EEXIST) => DatapathError::Occupied {
            name: name.to_owned(),
        },
        Some(libc::EPERM) => DatapathError::NotPermitted,
        _ => DatapathError::Attach {
            name: name.to_owned(),
            mode: mode.name(),
            source: Box::new(error),
        },
    }
}
