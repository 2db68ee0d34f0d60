//! Looks at the machine. Nothing is changed.

mod daemon;
mod hardware;
mod kernel;
mod netdev;

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Uid, access};
use stormbolt_control::policy::Policy;

use super::facts::{
    Answer, Facts, Folder, FolderState, InterfaceFacts, Load, Pinned, PolicyFile, PolicyState,
    ValidPolicy,
};
use crate::api::documents::Interfaces;
use crate::causes::with_causes;
use crate::config::{self, LoadError};
use crate::daemon::missing_rights;
use crate::datapath::{AttachedMode, DatapathError, DeviceSeen, Pins, PinsSeen, Trial, devices};

/// Where everything is.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) socket: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) bpffs: PathBuf,
    /// Interfaces to look at; none: those of the policy, or of the machine where that has none.
    pub(crate) interfaces: Vec<String>,
}

pub(super) fn gather(places: &Places) -> Facts {
    let missing_rights = missing_rights();
    let load = if missing_rights.is_empty() {
        match Trial::load() {
            Ok(()) => Load::Taken,
            Err(DatapathError::NotPermitted) => Load::NotTried,
            Err(error) => Load::Refused(with_causes(&error)),
        }
    } else {
        Load::NotTried
    };
    let policy = policy(&places.config);
    let (daemon, shown) = daemon::ask(&places.socket);
    let pins = pins(&places.bpffs);
    // Where nobody listens, there is nobody who would know of a program.
    let is_heard = shown.is_some() || matches!(daemon.answer, Answer::Nobody);
    Facts {
        kernel: kernel::look(),
        missing_rights,
        load,
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        interfaces: interfaces(
            places,
            &policy,
            (shown.as_ref(), is_heard),
            pins.as_ref().ok(),
        ),
        policy: PolicyFile {
            path: places.config.clone(),
            state: policy,
        },
        daemon,
        state: folder(&places.state),
        pins: Pinned {
            path: places.bpffs.clone(),
            seen: Some(pins),
        },
    }
}

fn policy(path: &Path) -> PolicyState {
    match config::load(path) {
        Ok((loaded, _text)) => {
            let warnings = loaded.warnings.findings().len();
            PolicyState::Valid(valid(&loaded.policy, warnings))
        }
        Err(LoadError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            PolicyState::Missing
        }
        Err(error @ LoadError::Read { .. }) => PolicyState::Unreadable(with_causes(&error)),
        Err(LoadError::Policy(error)) => PolicyState::Invalid(error.report().summary()),
        Err(error @ (LoadError::TooLarge { .. } | LoadError::NotText { .. })) => {
            PolicyState::Invalid(error.to_string())
        }
    }
}

fn valid(policy: &Policy, warnings: usize) -> ValidPolicy {
    let interfaces = policy.interfaces.iter();
    let management = &policy.management;
    ValidPolicy {
        interfaces: interfaces.map(|one| (one.name.clone(), one.mode)).collect(),
        warnings,
        steers: policy.classes.iter().any(|class| class.cpus.is_some()),
        exempt_from_anywhere: management.exempt && management.source.is_none(),
    }
}

fn interfaces(
    places: &Places,
    policy: &PolicyState,
    (shown, is_heard): (Option<&Interfaces>, bool),
    pins: Option<&PinsSeen>,
) -> Vec<InterfaceFacts> {
    let devices = devices().unwrap_or_default();
    let ours_are_known = pins.is_some() && is_heard;
    let of_policy = match policy {
        PolicyState::Valid(policy) => policy.interfaces.as_slice(),
        PolicyState::Missing | PolicyState::Unreadable(_) | PolicyState::Invalid(_) => &[],
    };
    let names: Vec<String> = if !places.interfaces.is_empty() {
        places.interfaces.clone()
    } else if of_policy.is_empty() {
        let of_machine = devices.iter().filter(|one| one.is_up && !one.is_loopback);
        of_machine.map(|one| one.name.clone()).collect()
    } else {
        of_policy.iter().map(|(name, _)| name.clone()).collect()
    };
    let facts = names.into_iter().map(|name| {
        let device = devices.iter().find(|one| one.name == name).cloned();
        let ours = device.as_ref().and_then(|device| ours(device, shown, pins));
        let program = device.as_ref().and_then(|device| device.program);
        InterfaceFacts {
            wanted: of_policy
                .iter()
                .find(|(of, _)| *of == name)
                .map(|(_, mode)| *mode),
            foreign: program
                .filter(|_| ours.is_none())
                .map(|(id, _)| Trial::describe(id)),
            ours,
            ours_are_known,
            hardware: device
                .as_ref()
                .map(|device| hardware::look(&device.name, device.ifindex))
                .unwrap_or_default(),
            device,
            name,
        }
    });
    facts.collect()
}

/// How our program runs on a device, if it is ours that runs there.
fn ours(
    device: &DeviceSeen,
    shown: Option<&Interfaces>,
    pins: Option<&PinsSeen>,
) -> Option<AttachedMode> {
    let (id, mode) = device.program?;
    let is_pinned = pins.is_some_and(|pins| pins.programs.contains(&id));
    let mut shown = shown.iter().flat_map(|shown| &shown.interfaces);
    let is_shown = shown.any(|one| {
        one.name == device.name && one.ifindex == device.ifindex && one.mode != "detached"
    });
    (is_pinned || is_shown).then_some(mode)
}

fn pins(path: &Path) -> Result<PinsSeen, String> {
    Pins::look(path).map_err(|error| with_causes(&error))
}

fn folder(path: &Path) -> Folder {
    let state = match access(path, AccessFlags::W_OK) {
        Ok(()) => FolderState::Writable,
        Err(nix::errno::Errno::ENOENT) => FolderState::Missing,
        Err(_) if Uid::effective().is_root() => FolderState::NotWritable,
        // The daemon is another user.
        Err(_) => FolderState::NotSeen,
    };
    Folder {
        path: path.to_owned(),
        state,
    }
}
