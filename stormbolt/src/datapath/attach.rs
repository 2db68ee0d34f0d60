//! Attaches the program to interfaces.

use std::fs;
use std::path::PathBuf;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{ProgramError, Xdp};
use nix::net::if_::if_nametoindex;
use stormbolt_common::limits::MAX_IFINDEX;
use stormbolt_control::policy::AttachMode;

use super::bpffs::PinError;
use super::device::{Device, Kind, device, ports};
use super::error::DatapathError;
use super::foreign;
use super::load::Datapath;
use super::maps;
use super::pins::FoundLink;
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
    kind: Kind,
    /// Numbers of the devices that frames arrive on.
    arrivals: Vec<u32>,
    program_id: u32,
    /// Where the link is pinned.
    pin: Option<PathBuf>,
    /// Held for its drop.
    _link: XdpLink,
}

impl Attachment {
    /// Whether the interface that is called `name` now is the one that the program runs on.
    pub fn is_on(&self, name: &str) -> bool {
        if if_nametoindex(name).is_ok_and(|ifindex| ifindex == self.ifindex) {
            // It may be another device that has got the same number.
            let program = device(self.ifindex).map(|found| found.and_then(|one| one.program));
            return program.map_or(true, |program| {
                program.is_some_and(|(id, _)| id == self.program_id)
            });
        }
        false
    }

    /// Numbers of the devices whose frames are this interface's.
    pub fn arrivals(&self) -> &[u32] {
        &self.arrivals
    }

    /// Finds out anew what these are, and returns those that are none any more.
    pub fn renew_arrivals(&mut self) -> Vec<u32> {
        if self.kind != Kind::Bond {
            return Vec::new();
        }
        let now = arrivals_of(self.ifindex, self.kind, self.mode);
        let mut before = std::mem::replace(&mut self.arrivals, now);
        before.retain(|ifindex| !self.arrivals.contains(ifindex));
        before
    }

    /// Lets the program run on, if it is pinned.
    pub(crate) fn leave(mut self) {
        self.pin = None;
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(path) = self.pin.take()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
    }
}

impl Datapath {
    /// Attaches the program to the interface `name`. Its packets are those of no interface of ours
    /// until [`Datapath::set_interface`] gives it a number.
    ///
    /// # Errors
    /// There is no such interface, it has another XDP program, or it can't run ours in this mode.
    pub fn attach(&mut self, name: &str, mode: AttachMode) -> Result<Attachment, DatapathError> {
        let ifindex = ifindex_of(name)?;
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

    /// Whether a daemon before has left its program on the interface `name`, for [`Self::take_over`].
    ///
    /// # Errors
    /// The kernel does not say.
    pub fn is_inherited(&self, name: &str) -> Result<bool, DatapathError> {
        Ok(self.inherited(name)?.is_some())
    }

    /// Lets the program that a daemon before has left on the interface `name` be replaced by ours, without
    /// a moment in between. From then on its packets are those of interface `index` of our tables.
    ///
    /// # Errors
    /// There is none, or the kernel refuses: then the old program goes on.
    pub fn take_over(&mut self, name: &str, index: u32) -> Result<Attachment, DatapathError> {
        let Some((found, device)) = self.inherited(name)? else {
            return Err(DatapathError::NoInterface {
                name: name.to_owned(),
            });
        };
        let FoundLink { mode, path, .. } = found;
        for ifindex in arrivals(&device, mode) {
            self.set_interface(ifindex, Some(index));
        }
        let broken = |error| attach_error(name, mode, &device, error);
        let link = PinnedLink::from_pin(&path).map_err(link_error);
        let link = link.and_then(|link| XdpLink::try_from(FdLink::from(link)).map_err(link_error));
        let link = link.map_err(broken)?;
        let program = self.program_mut()?;
        let id = program.attach_to_link(link).map_err(broken)?;
        let link = taken(program, id)?;
        Ok(self.attachment(&device, mode, link, Some(path)))
    }

    /// Detaches the program that a daemon before has left on the interface `name`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn release_inherited(&self, name: &str) -> Result<(), DatapathError> {
        if let Some((found, _)) = self.inherited(name)? {
            let removed = fs::remove_file(&found.path);
            removed.map_err(PinError::io("remove", &found.path))?;
        }
        Ok(())
    }

    /// The link that is pinned for the interface `name`, if it is the one that runs there.
    fn inherited(&self, name: &str) -> Result<Option<(FoundLink, Device)>, DatapathError> {
        let (Some(pinned), Ok(ifindex)) = (&self.pinned, if_nametoindex(name)) else {
            return Ok(None);
        };
        let Some(link) = pinned.link_on(ifindex)? else {
            return Ok(None);
        };
        let Some(device) = ask(name, ifindex)? else {
            return Ok(None);
        };
        // The number may be that of another device by now, or of one in another network namespace.
        let runs = link.program_id();
        let is_there = device.program.is_some_and(|(id, _)| runs == Some(id));
        Ok(is_there.then_some((link, device)))
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
        let device = ask(name, ifindex)?.ok_or_else(|| DatapathError::NoInterface {
            name: name.to_owned(),
        })?;
        let path = self.pinned.as_ref();
        let path = path.map(|pinned| pinned.pins.link(ifindex, mode));
        let program = self.program_mut()?;
        let id = program
            .attach_to_if_index(ifindex, mode.xdp())
            .map_err(|error| attach_error(name, mode, &device, error))?;
        let mut link = taken(program, id)?;
        if let Some(path) = &path {
            link = pin(link, path)?;
        }
        Ok(self.attachment(&device, mode, link, path))
    }

    fn attachment(
        &self,
        device: &Device,
        mode: AttachedMode,
        link: XdpLink,
        pin: Option<PathBuf>,
    ) -> Attachment {
        Attachment {
            ifindex: device.ifindex,
            mode,
            fallback: None,
            kind: device.kind,
            arrivals: arrivals(device, mode),
            program_id: self.program_id,
            pin,
            _link: link,
        }
    }
}

fn arrivals(device: &Device, mode: AttachedMode) -> Vec<u32> {
    arrivals_of(device.ifindex, device.kind, mode)
}

/// The numbers of the devices that frames of a device arrive on. Where a bond runs the program natively, its ports do,
/// and the program sees their numbers (`bond_xdp_set`).
fn arrivals_of(ifindex: u32, kind: Kind, mode: AttachedMode) -> Vec<u32> {
    let mut arrivals = vec![ifindex];
    if kind == Kind::Bond && mode == AttachedMode::Native {
        arrivals.extend(ports(ifindex).unwrap_or_default());
    }
    arrivals.retain(|ifindex| *ifindex < MAX_IFINDEX);
    arrivals
}

fn ifindex_of(name: &str) -> Result<u32, DatapathError> {
    if_nametoindex(name).map_err(|_| DatapathError::NoInterface {
        name: name.to_owned(),
    })
}

fn ask(name: &str, ifindex: u32) -> Result<Option<Device>, DatapathError> {
    device(ifindex).map_err(|source| DatapathError::Device {
        name: name.to_owned(),
        source,
    })
}

fn taken(program: &mut Xdp, id: aya::programs::xdp::XdpLinkId) -> Result<XdpLink, DatapathError> {
    program
        .take_link(id)
        .map_err(DatapathError::program("keep the link of", maps::PROGRAM))
}

/// Pins a link that has just been made.
fn pin(link: XdpLink, path: &std::path::Path) -> Result<XdpLink, DatapathError> {
    let failed = |error| DatapathError::program("pin the link of", maps::PROGRAM)(error);
    let link = FdLink::try_from(link).map_err(link_error).map_err(failed)?;
    // Of an interface that had this number and is gone.
    drop(fs::remove_file(path));
    let link = link.pin(path).map_err(PinError::pin(path))?;
    XdpLink::try_from(FdLink::from(link))
        .map_err(link_error)
        .map_err(failed)
}

fn link_error(error: aya::programs::links::LinkError) -> ProgramError {
    ProgramError::IOError(std::io::Error::other(error))
}

fn attach_error(
    name: &str,
    mode: AttachedMode,
    device: &Device,
    error: ProgramError,
) -> DatapathError {
    let code = if let ProgramError::SyscallError(error) = &error {
        error.io_error.raw_os_error()
    } else {
        None
    };
    match code {
        Some(libc::EBUSY | libc::EEXIST) => occupied(name, device),
        Some(libc::EPERM) => DatapathError::NotPermitted,
        _ => DatapathError::Attach {
            name: name.to_owned(),
            mode: mode.name(),
            advice: device.kind.advice(mode),
            source: Box::new(error),
        },
    }
}

/// What is in the way: a program of the device, or of one above it.
fn occupied(name: &str, before: &Device) -> DatapathError {
    let now = device(before.ifindex).ok().flatten();
    let now = now.as_ref().unwrap_or(before);
    let master = now.master.and_then(|master| device(master).ok().flatten());
    match (now.program, master) {
        (None, Some(master)) if master.program.is_some() => DatapathError::Port {
            name: name.to_owned(),
            master: master.name,
        },
        (program, _) => DatapathError::Occupied {
            name: name.to_owned(),
            id: program.map_or_else(|| "N".to_owned(), |(id, _)| id.to_string()),
            program: program.map_or_else(
                || "the kernel does not say which".to_owned(),
                |(id, _)| foreign::describe(id),
            ),
        },
    }
}
