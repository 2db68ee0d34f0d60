//! Why a policy does not come into force.

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
    /// Whoever asked for it has gone, or the daemon ends.
    #[error("given up, as was wanted")]
    GivenUp,
    /// More things of a kind than there are numbers for.
    #[error("more than {limit} {kind}")]
    TooMany {
        /// What there is too much of.
        kind: &'static str,
        /// How many there may be.
        limit: u32,
    },
}
