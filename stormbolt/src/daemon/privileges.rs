//! What the daemon may do: checked at the start, and no more than it needs from then on.

use std::collections::HashSet;
use std::path::Path;

use caps::{CapSet, Capability, CapsHashSet};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::error::RunError;

/// For programs and maps, for interfaces, and for reading packets in programs.
const NEEDED: [Capability; 3] = [
    Capability::CAP_NET_ADMIN,
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
];
/// For echo requests, where `ping_group_range` leaves the daemon out.
const USED: Capability = Capability::CAP_NET_RAW;

/// The kernel's own refusals come late and do not say what is missing.
///
/// # Errors
///
/// The process lacks a capability.
pub(super) fn check() -> Result<(), RunError> {
    match missing_rights().into_iter().next() {
        Some(missing) => Err(RunError::NotPermitted { missing }),
        None => Ok(()),
    }
}

/// The capabilities that a daemon needs and this process lacks, by name.
pub(crate) fn missing_rights() -> Vec<String> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    // CAP_SYS_ADMIN contains the two that are younger (capabilities(7)).
    let contains_others = has(Capability::CAP_SYS_ADMIN);
    let is_there = |&capability: &Capability| {
        has(capability) || (contains_others && capability != Capability::CAP_NET_ADMIN)
    };
    let missing = NEEDED.iter().filter(|capability| !is_there(capability));
    missing.map(ToString::to_string).collect()
}

/// Gives up all capabilities but those that the daemon needs, for good: of this thread, and of those that it starts
/// from now on, so that there should be no other yet.
///
/// `places` are files and directories that the daemon writes. Root who may not do so as their owner, for example
/// in somebody's home, keeps `CAP_DAC_OVERRIDE` for them.
pub(super) fn drop_others(places: &[&Path]) {
    if let Err(error) = try_drop(places) {
        tracing::warn!("capabilities that are not needed cannot be given up: {error}");
    }
}

fn try_drop(places: &[&Path]) -> Result<(), Box<dyn std::error::Error>> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let mut kept = kept(&permitted);
    // First without, to see whether the files can be reached so.
    caps::set(None, CapSet::Effective, &kept)?;
    let override_files = Capability::CAP_DAC_OVERRIDE;
    if permitted.contains(&override_files)
        && let Some(place) = places.iter().find(|place| !is_writable(place))
    {
        tracing::info!(
            "keeping {override_files}: {} belongs to another user",
            place.display()
        );
        kept.insert(override_files);
    }
    // Out of the bounding set while that is still permitted.
    if permitted.contains(&Capability::CAP_SETPCAP) {
        caps::raise(None, CapSet::Effective, Capability::CAP_SETPCAP)?;
        let bounding = caps::read(None, CapSet::Bounding)?;
        for capability in bounding.difference(&kept) {
            caps::drop(None, CapSet::Bounding, *capability)?;
        }
    }
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    caps::clear(None, CapSet::Inheritable)?;
    nix::sys::prctl::set_no_new_privs()?;
    Ok(())
}

/// What stays of `permitted`.
fn kept(permitted: &CapsHashSet) -> CapsHashSet {
    let mut kept: HashSet<_> = NEEDED.into_iter().chain([USED]).collect();
    kept.retain(|capability| permitted.contains(capability));
    if NEEDED.iter().any(|needed| !permitted.contains(needed)) {
        // Contains what is missing.
        kept.insert(Capability::CAP_SYS_ADMIN);
    }
    kept
}

/// Whether the effective user can write there, or make it where it is missing.
fn is_writable(place: &Path) -> bool {
    let there = place
        .ancestors()
        .map(|path| {
            if path == Path::new("") {
                Path::new(".")
            } else {
                path
            }
        })
        .find(|path| path.exists() || std::fs::symlink_metadata(path).is_ok());
    there.is_none_or(|path| {
        faccessat(
            AT_FDCWD,
            path,
            AccessFlags::W_OK | AccessFlags::R_OK,
            AtFlags::AT_EACCESS,
        )
        .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_keeps_four_capabilities() {
        let mut expected: CapsHashSet = NEEDED.into_iter().collect();
        expected.insert(USED);
        assert_eq!(kept(&caps::all()), expected);
        let mut without_raw: CapsHashSet = NEEDED.into_iter().collect();
        assert_eq!(kept(&without_raw), without_raw);
        without_raw.insert(Capability::CAP_SYS_ADMIN);
        without_raw.remove(&Capability::CAP_BPF);
        assert_eq!(kept(&without_raw), without_raw);
    }
}
