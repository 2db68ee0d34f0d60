//! Which programs of others go on with what passes: those that the policy names, opened anew whenever one comes into force.

use std::collections::BTreeMap;

use stormbolt_control::policy::Policy;

use super::plan::Numbers;
use crate::api::documents::FollowerStatus;
use crate::datapath::{DatapathError, Follower};

/// The programs that `policy` names, opened, with the numbers of their interfaces.
pub(super) fn open_followers(
    policy: &Policy,
    numbers: &Numbers,
) -> Result<Vec<(u32, Follower)>, DatapathError> {
    let interfaces = policy.interfaces.iter().zip(&numbers.interfaces);
    let named = interfaces.filter_map(|(one, &number)| Some((one, number, one.then.as_ref()?)));
    let opened =
        named.map(|(interface, number, path)| Ok((number, Follower::open(&interface.name, path)?)));
    opened.collect()
}

/// What is shown of them, by the name of their interface.
pub(super) fn named_followers(followers: Vec<(u32, Follower)>) -> BTreeMap<String, FollowerStatus> {
    let named = followers.into_iter().map(|(_, one)| {
        let status = FollowerStatus {
            path: one.path.display().to_string(),
            program_id: one.program_id,
            program_name: one.program_name,
        };
        (one.interface, status)
    });
    named.collect()
}
