//! A policy file on its way to the daemon.

use std::path::Path;

use crate::config::{self, LoadError, Report};

/// A policy file that is valid.
pub(super) struct PolicyFile {
    /// What it is called in messages.
    pub(super) name: String,
    /// Its text; where it names files, with what is in them: the daemon opens none for others.
    pub(super) text: String,
    pub(super) warnings: Report,
}

/// Reads and checks it here first: the daemon has not got the text to show.
pub(super) fn read(path: &Path) -> Result<PolicyFile, LoadError> {
    let (loaded, text) = config::load(path)?;
    let text = if loaded.set_files.is_empty() {
        text
    } else {
        config::to_toml(&loaded.policy)
    };
    let name = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(PolicyFile {
        name: name.display().to_string(),
        text,
        warnings: loaded.warnings,
    })
}
