//! What users of this machine may do, by the credentials that the kernel gives of who has connected.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::str::FromStr;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User, geteuid};
use thiserror::Error;

use crate::api::{Key, Right};

/// The group that may open the socket, where there is such a group and no other is named.
const DEFAULT_GROUP: &str = "stormbolt";
/// More groups than this of a caller are not looked at; the kernel allows 65,536.
const MAX_GROUPS: usize = 1024;

/// A user or a group, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A user.
    User(String),
    /// Whoever is in a group.
    Group(String),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("user", name)) if !name.is_empty() => Ok(Self::User(name.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            _ => Err("write `user:NAME` or `group:NAME`".to_owned()),
        }
    }
}

/// Whom the operator lets in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessOptions {
    /// The group that may open the socket. `None`: `stormbolt`, where there is one.
    pub group: Option<String>,
    /// Who may change things, beside root and the daemon's own user.
    pub read_write: Vec<Who>,
}

/// Why nobody can be let in as the operator says.
#[derive(Debug, Error)]
pub enum AccessError {
    /// There is no such user or group.
    #[error("there is no {kind} `{name}` on this machine")]
    Unknown {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The users cannot be looked up.
    #[error("cannot look up {kind} `{name}`")]
    Lookup {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// What went wrong.
        source: io::Error,
    },
}

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    group: Option<Gid>,
    own_user: Uid,
    users: Vec<Uid>,
    groups: Vec<Gid>,
}

/// What is known of who has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What they may.
    pub right: Right,
    /// Whom their requests are counted for. `None`: for nobody, since nothing keeps root out anyway.
    pub counted: Option<Key>,
}

impl Access {
    /// Finds the users and groups that are named.
    ///
    /// # Errors
    ///
    /// One does not exist.
    pub fn find(options: &AccessOptions) -> Result<Self, AccessError> {
        let group = match &options.group {
            Some(name) => Some(group(name)?),
            None => group(DEFAULT_GROUP).ok(),
        };
        let mut access = Self {
            group,
            own_user: geteuid(),
            users: Vec::new(),
            groups: Vec::new(),
        };
        for who in &options.read_write {
            match who {
                Who::User(name) => access.users.push(user(name)?),
                Who::Group(name) => access.groups.push(self::group(name)?),
            }
        }
        Ok(access)
    }

    /// The group that may open the socket, beside its owner.
    pub(super) const fn group(&self) -> Option<Gid> {
        self.group
    }

    /// What the peer of a connection may.
    ///
    /// # Errors
    ///
    /// The kernel does not say who it is.
    pub fn of_peer(&self, socket: &impl AsFd) -> io::Result<Known> {
        let peer = getsockopt(socket, sockopt::PeerCredentials)?;
        let (uid, gid) = (Uid::from_raw(peer.uid()), Gid::from_raw(peer.gid()));
        let mut groups = supplementary_groups(socket)?;
        groups.push(gid);
        Ok(self.of(uid, &groups))
    }

    fn of(&self, uid: Uid, groups: &[Gid]) -> Known {
        if uid.is_root() || uid == self.own_user {
            return Known {
                right: Right::ReadWrite,
                counted: None,
            };
        }
        let is_named =
            self.users.contains(&uid) || groups.iter().any(|group| self.groups.contains(group));
        Known {
            right: if is_named {
                Right::ReadWrite
            } else {
                Right::ReadOnly
            },
            counted: Some(Key::User(uid.as_raw())),
        }
    }
}

/// The groups that the peer of a connection was in when it connected, its first one apart (`SO_PEERGROUPS`, man
/// page `unix(7)`).
fn supplementary_groups(socket: &impl AsFd) -> io::Result<Vec<Gid>> {
    let mut groups: Vec<libc::gid_t> = vec![0; MAX_GROUPS];
    let mut length = libc::socklen_t::try_from(size_of_val(groups.as_slice())).unwrap_or(0);
    // SAFETY: the kernel writes at most `length` bytes to where `groups` has as many, and says in `length` how many it
    // has written.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let count = usize::try_from(length).unwrap_or(0) / size_of::<libc::gid_t>();
    groups.truncate(count);
    Ok(groups.into_iter().map(Gid::from_raw).collect())
}

fn user(name: &str) -> Result<Uid, AccessError> {
    if let Ok(number) = name.parse() {
        return Ok(Uid::from_raw(number));
    }
    let found = User::from_name(name).map_err(|errno| unfindable("user", name, errno))?;
    Ok(found.ok_or_else(|| unknown("user", name))?.uid)
}

fn group(name: &str) -> Result<Gid, AccessError> {
    if let Ok(number) = name.parse() {
        return Ok(Gid::from_raw(number));
    }
    let found = Group::from_name(name).map_err(|errno| unfindable("group", name, errno))?;
    Ok(found.ok_or_else(|| unknown("group", name))?.gid)
}

fn unknown(kind: &'static str, name: &str) -> AccessError {
    AccessError::Unknown {
        kind,
        name: name.to_owned(),
    }
}

fn unfindable(kind: &'static str, name: &str, errno: nix::Error) -> AccessError {
    AccessError::Lookup {
        kind,
        name: name.to_owned(),
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use nix::unistd::{getgid, getgroups};

    use super::*;

    fn access(read_write: &[&str]) -> Access {
        let read_write = read_write.iter().map(|who| who.parse().unwrap());
        let options = AccessOptions {
            group: None,
            read_write: read_write.collect(),
        };
        Access {
            own_user: Uid::from_raw(77),
            ..Access::find(&options).unwrap()
        }
    }

    fn right(access: &Access, uid: u32, groups: &[u32]) -> Right {
        let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        access.of(Uid::from_raw(uid), &groups).right
    }

    #[test]
    fn root_and_the_daemons_user_may_change_things_and_others_look() {
        let access = access(&[]);
        assert_eq!(right(&access, 0, &[]), Right::ReadWrite);
        assert_eq!(right(&access, 77, &[]), Right::ReadWrite);
        assert_eq!(right(&access, 1000, &[0, 77, 1000]), Right::ReadOnly);
    }

    #[test]
    fn users_and_groups_that_are_named_may_change_things() {
        let access = access(&["user:1001", "group:50", "user:root"]);
        assert_eq!(right(&access, 1001, &[1001]), Right::ReadWrite);
        assert_eq!(right(&access, 1002, &[1002, 50]), Right::ReadWrite);
        assert_eq!(right(&access, 50, &[1001]), Right::ReadOnly);
    }

    #[test]
    fn only_root_and_the_daemons_user_are_not_counted() {
        let access = access(&["user:1001"]);
        let counted = |uid| access.of(Uid::from_raw(uid), &[]).counted;
        assert_eq!(counted(0), None);
        assert_eq!(counted(77), None);
        assert_eq!(counted(1001), Some(Key::User(1001)));
    }

    #[test]
    fn who_is_not_there_is_named() {
        let error = |who: &str| {
            let options = AccessOptions {
                group: None,
                read_write: vec![who.parse().unwrap()],
            };
            Access::find(&options).unwrap_err().to_string()
        };
        let missing = "there is no group `no-such-group` on this machine";
        assert_eq!(error("group:no-such-group"), missing);
        assert!(error("user:nobody-at-all").starts_with("there is no user `nobody-at-all`"));
        for text in ["", "root", "user:", "group", "owner:root"] {
            assert!(text.parse::<Who>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_kernel_says_who_has_connected() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let groups = supplementary_groups(&ours).unwrap();
        assert_eq!(groups, getgroups().unwrap());
        let options = AccessOptions {
            group: None,
            read_write: vec![Who::Group(getgid().to_string())],
        };
        let known = Access::find(&options).unwrap().of_peer(&ours).unwrap();
        assert_eq!(known.right, Right::ReadWrite);
    }
}
