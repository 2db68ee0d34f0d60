//! Asks the daemon.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group};

use crate::api::client::{Client, ClientError};
use crate::api::documents::{Interfaces, Status};
use crate::causes::with_causes;
use crate::doctor::facts::{Answer, Daemon};

/// What the daemon says of itself, and of its interfaces.
pub(super) fn ask(socket: &Path) -> (Daemon, Option<Interfaces>) {
    let client = Client::new(socket);
    let asked = client.and_then(|client| {
        let status: Status = client.get("/v1/status")?;
        Ok((status, client.get::<Interfaces>("/v1/interfaces").ok()))
    });
    let (answer, shown) = match asked {
        Ok((status, shown)) => {
            let answer = Answer::Status {
                version: status.daemon_version,
                notices: status.notices,
            };
            (answer, shown)
        }
        Err(error) => (answer_of(&error, socket), None),
    };
    let socket = socket.to_owned();
    (Daemon { socket, answer }, shown)
}

fn answer_of(error: &ClientError, socket: &Path) -> Answer {
    match error {
        ClientError::NotReachable { .. } => Answer::Nobody,
        ClientError::NotPermitted { .. }
        | ClientError::Problem {
            status: 401 | 403, ..
        } => Answer::NotPermitted {
            group: group_of(socket),
        },
        ClientError::Problem { .. }
        | ClientError::BrokenOff(_)
        | ClientError::Gone { .. }
        | ClientError::TimedOut { .. }
        | ClientError::Answer(_)
        | ClientError::Runtime(_) => Answer::Broken(with_causes(error)),
    }
}

/// The group that the socket, or the folder that it is in, belongs to; not root's own.
fn group_of(socket: &Path) -> Option<String> {
    let places = [Some(socket), socket.parent()];
    let mut groups = places.into_iter().flatten().filter_map(|place| {
        let gid = place.metadata().ok()?.gid();
        (gid != 0).then_some(gid)
    });
    let group = Group::from_gid(Gid::from_raw(groups.next()?)).ok()??;
    Some(group.name)
}
