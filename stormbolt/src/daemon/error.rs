//! Why the daemon ends other than by being told to.

use std::io;

use thiserror::Error;

use super::machine::BoxedError;
use super::peers::AccessError;
use super::socket::SocketError;
use crate::api::TlsError;
use crate::config::LoadError;

/// Why the daemon does not start, or ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// The process lacks a capability.
    #[error(
        "not permitted: the daemon needs {missing}; run it as root: sudo stormbolt run, or give the \
         service CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"
    )]
    NotPermitted {
        /// The capability that is missing.
        missing: String,
    },
    /// The policy file cannot be read or is not a policy.
    #[error(transparent)]
    Policy(#[from] LoadError),
    /// The socket cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// Nobody can be let in as the operator says.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The API cannot be had over TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The data path did not start.
    #[error("cannot start the data path")]
    Start(#[source] BoxedError),
    /// No threads, signals or memory.
    #[error("cannot set up the daemon")]
    Runtime(#[source] io::Error),
    /// A thread met a defect of the program; everything was detached.
    #[error("a thread of the daemon panicked: everything was detached; please report it")]
    Panicked,
}
