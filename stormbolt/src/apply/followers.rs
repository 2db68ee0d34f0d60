//! Which programs of others go on with what passes: those that the policy names, opened anew whenever one comes into force.

use std::collections::BTreeMap;
use std::sync::Arc;

use stormbolt_control::policy::Policy;

use super::plan::Numbers;
use crate::api::documents::FollowerStatus;
use crate::datapath::{DatapathError, Follower, FollowerError};

/// The programs that `policy` names, opened, with the numbers of their interfaces.
///
/// Where nothing is pinned any more, the program that was `opened` before goes on: or neither the rate of a class could be
/// changed, nor a policy undone that locks its operator out.
pub(super) fn open_followers(
    policy: &Policy,
    numbers: &Numbers,
    opened: &[Arc<Follower>],
) -> Result<Vec<(u32, Arc<Follower>)>, DatapathError> {
    let interfaces = policy.interfaces.iter().zip(&numbers.interfaces);
    let named = interfaces.filter_map(|(one, &number)| Some((one, number, one.then.as_ref()?)));
    let followers = named.map(|(interface, number, path)| {
        let follower = match Follower::open(&interface.name, path) {
            Ok(follower) => Arc::new(follower),
            Err(error) => opened_before(opened, &interface.name, path, error)?,
        };
        Ok((number, follower))
    });
    followers.collect()
}

/// The program that was opened last for an interface and by this path, if its pin is gone.
fn opened_before(
    opened: &[Arc<Follower>],
    interface: &str,
    path: &str,
    error: DatapathError,
) -> Result<Arc<Follower>, DatapathError> {
    let is_gone = matches!(
        &error,
        DatapathError::Follower {
            source: FollowerError::Missing(_),
            ..
        }
    );
    let same = |one: &&Arc<Follower>| one.interface == interface && one.path.as_os_str() == path;
    let before = opened.iter().rev().find(same).filter(|_| is_gone);
    let Some(before) = before else {
        return Err(error);
    };
    tracing::warn!(
        "nothing is pinned at {path} any more: packets of `{interface}` go on to program {} as before, until the daemon \
         starts again",
        before.program_id
    );
    Ok(Arc::clone(before))
}

/// Whether `policy` names the program for its interface.
pub(super) fn is_named(follower: &Follower, policy: &Policy) -> bool {
    let interfaces = policy.interfaces.iter();
    let mut named = interfaces.filter(|one| one.name == follower.interface);
    named.any(|one| {
        (one.then.as_ref()).is_some_and(|path| follower.path.as_os_str() == path.as_str())
    })
}

/// What is shown of them, by the name of their interface.
pub(super) fn named_followers(
    followers: &[(u32, Arc<Follower>)],
) -> BTreeMap<String, FollowerStatus> {
    let named = followers.iter().map(|(_, one)| {
        let status = FollowerStatus {
            path: one.path.display().to_string(),
            program_id: one.program_id,
            program_name: one.program_name.clone(),
        };
        (one.interface.clone(), status)
    });
    named.collect()
}
