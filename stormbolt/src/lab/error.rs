//! What can go wrong while a lab is built or run.

use std::io;

/// An error of the lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The process lacks a capability that the lab needs.
    #[error("needs root: {operation} needs {capability}; run with sudo")]
    NeedsRoot {
        /// What was attempted.
        operation: &'static str,
        /// The capability that the kernel asked for.
        capability: &'static str,
    },
    /// A system call failed.
    #[error("cannot {operation}")]
    Io {
        /// What was attempted.
        operation: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused a netlink request.
    #[error("cannot {operation}")]
    Netlink {
        /// What was attempted.
        operation: String,
        /// The kernel's answer.
        source: Box<rtnetlink::Error>,
    },
    /// An option has a value that cannot work.
    #[error("{0}")]
    Option(String),
}

impl LabError {
    /// Returns a function that turns an I/O error into a [`LabError`] naming `operation`.
    pub(super) fn io<E: Into<io::Error>>(operation: impl Into<String>) -> impl FnOnce(E) -> Self {
        let operation = operation.into();
        move |source| Self::Io {
            operation,
            source: source.into(),
        }
    }
}
