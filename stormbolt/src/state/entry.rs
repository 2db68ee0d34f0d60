//! One policy of the history.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A policy that is or was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its generation.
    pub(crate) generation: u32,
    /// When it came into force.
    pub(crate) unix_time_seconds: u64,
    /// Where it came from: a path, or what was changed.
    pub(crate) source: String,
    /// Fingerprint of its text in the history.
    pub(crate) sha256: String,
    /// Fingerprint of the policy file that says the same, where there is one. It differs from `sha256` where
    /// that names files of sets, which the history has written out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file_sha256: Option<String>,
    /// The generation that it was taken from, for one that was brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restored: Option<u32>,
    /// What became of it.
    pub(crate) fate: Fate,
}

impl Entry {
    /// Whether its text has what stands elsewhere in the policy file.
    pub(super) fn is_written_out(&self) -> bool {
        self.file_sha256.as_ref() != Some(&self.sha256)
    }
}

/// Whether a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// It was put into force for good.
    Kept,
    /// It waits to be confirmed.
    Pending,
    /// It was to be confirmed, and was not.
    Unconfirmed,
}

/// Tells texts apart.
pub(crate) fn fingerprint(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // A string takes whatever is written.
        write!(hex, "{byte:02x}").unwrap_or(());
    }
    hex
}
