//! Why a policy does not come into force, and a question has no answer.

use stormbolt_control::compile::CompileError;
use thiserror::Error;

use crate::datapath::DatapathError;

/// Why a policy did not come into force.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The rules do not fit the tables.
    #[error("the rules do not fit")]
    Compile(#[from] CompileError),
    /// The kernel's half refused.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    /// The policy has no such interface.
    #[error("the policy has no interface `{name}`; it has {known}")]
    NoSuchInterface {
        /// What was asked for.
        name: String,
        /// Those of the policy.
        known: String,
    },
    /// An interface cannot be attached to.
    #[error("interface {name} is not attached: {reason}")]
    NotAttached {
        /// The interface.
        name: String,
        /// Why.
        reason: String,
    },
    /// Whoever asked for it has gone, or the daemon ends.
    #[error("given up, as was wanted")]
    GivenUp,
    /// More things of a kind than there is room for in tables whose size is fixed.
    #[error(
        "there is room for {room} {kind}, which was fixed when the daemon started; start it again with this \
         policy in its own file, or with more `{kind}` below `[tables]` in the old one"
    )]
    NoRoom {
        /// What there is too much of, as it is called in the policy file.
        kind: &'static str,
        /// How many there may be.
        room: u32,
    },
    /// More things of a kind than there are numbers for.
    #[error("more than {limit} {kind}")]
    TooMany {
        /// What there is too much of.
        kind: &'static str,
        /// How many there may be.
        limit: u32,
    },
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// The policy has no such interface.
    #[error("the policy has no interface `{name}`; it has {known}")]
    NoInterface {
        /// What was asked for.
        name: String,
        /// Those of the policy.
        known: String,
    },
    /// The policy has several interfaces, and none was named.
    #[error("`interface` is missing: the policy has {known}")]
    WhichInterface {
        /// Those of the policy.
        known: String,
    },
    /// The interface is gone.
    #[error("the program is not attached to interface `{name}`: nothing there is classified")]
    NotAttached {
        /// The interface.
        name: String,
    },
    /// The kernel's half refused.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
}
