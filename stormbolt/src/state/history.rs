//! Policies by generation, in a folder.
//!
//! `NNNNNNNNNN.toml` is the text of a policy and never changes. `history.json` says which there are and which one
//! counts: it is written last, in one step, so that a change has happened or has not.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::entry::{Entry, fingerprint};
use super::replace::{Step, Steps, replace, sync_folder};

/// Policies that are kept.
const MAX_ENTRIES: usize = 20;
/// Bytes that they may take together; the one that counts and the one before it are kept in any case.
const MAX_BYTES: u64 = 512 << 20;
/// Version of `history.json`.
const VERSION: u32 = 1;

const INDEX: &str = "history.json";
const LOCK: &str = "lock";

/// Why the history cannot be read or written.
#[derive(Debug, Error)]
pub(crate) enum StateError {
    /// The kernel refuses.
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// Another daemon has it.
    #[error("`{}` is in use by another daemon; give each its own with --state", path.display())]
    InUse { path: PathBuf },
    /// Somebody else has written into it.
    #[error("`{}` is not what was written there: {reason}; move `{}` away to begin anew",
        path.display(), path.parent().unwrap_or(path).display())]
    Damaged { path: PathBuf, reason: String },
    /// There is no such policy.
    #[error("generation {0} is not in the history")]
    Unknown(u32),
}

/// What `history.json` has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    version: u32,
    /// Generation of the policy that a daemon starts with.
    pub(crate) current: Option<u32>,
    /// Fingerprint of the policy file when `current` became what it is.
    pub(crate) file_sha256: Option<String>,
    /// The oldest first.
    pub(crate) entries: Vec<Entry>,
}

/// The folder. As long as this exists, no other daemon has it.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
    index: Index,
    steps: Steps,
    /// Held until the end.
    lock: File,
}

impl Index {
    pub(crate) fn entry(&self, generation: u32) -> Option<&Entry> {
        self.entries.iter().find(|one| one.generation == generation)
    }

    pub(crate) fn entry_mut(&mut self, generation: u32) -> Option<&mut Entry> {
        self.entries
            .iter_mut()
            .find(|one| one.generation == generation)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("version {} is not {VERSION}", self.version));
        }
        let numbers = || self.entries.iter().map(|entry| entry.generation);
        if numbers()
            .zip(numbers().skip(1))
            .any(|(one, next)| one >= next)
        {
            return Err("its generations are not in order".to_owned());
        }
        match self.current {
            Some(current) if self.entry(current).is_none() => {
                Err(format!("generation {current} is missing"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl History {
    /// Opens the history in `folder`, which is made if it is not there.
    pub(crate) fn open(folder: &Path, steps: Steps) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("create", folder))?;
        let lock = folder.join(LOCK);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&lock)
            .map_err(failed("open", &lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::InUse {
                    path: folder.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", &lock)(error)),
        }
        Ok(Self {
            index: read_index(&folder.join(INDEX))?,
            folder: folder.to_owned(),
            steps,
            lock: file,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// The text of a policy.
    pub(crate) fn text(&self, generation: u32) -> Result<String, StateError> {
        let entry = self.index.entry(generation);
        let entry = entry.ok_or(StateError::Unknown(generation))?;
        let path = self.path(generation);
        let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
        if fingerprint(&text) == entry.sha256 {
            return Ok(text);
        }
        let reason = "its fingerprint is another".to_owned();
        Err(StateError::Damaged { path, reason })
    }

    /// Adds a policy and what else `change` does to the index, in one step.
    pub(crate) fn add(
        &mut self,
        mut entry: Entry,
        text: &str,
        change: impl FnOnce(&mut Index),
    ) -> Result<(), StateError> {
        let path = self.path(entry.generation);
        replace(&path, text.as_bytes(), self.steps).map_err(failed("write", &path))?;
        self.change(|index| {
            // The same policy again takes the place of the one before.
            if let Some(last) = index.entries.last()
                && (&last.sha256, last.fate) == (&entry.sha256, entry.fate)
                && entry.restored.is_none()
            {
                entry.restored = last.restored;
                index.entries.pop();
            }
            index.entries.push(entry);
            change(index);
        })
    }

    /// Changes the index in one step.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Index)) -> Result<(), StateError> {
        let mut index = self.index.clone();
        change(&mut index);
        self.drop_old(&mut index);
        let path = self.folder.join(INDEX);
        let text = serde_json::to_vec_pretty(&index)
            .map_err(|error| failed("write", &path)(error.into()))?;
        replace(&path, &text, self.steps).map_err(failed("write", &path))?;
        self.index = index;
        self.remove_unknown()
    }

    /// Takes those out of `index` that are too old or too large to be kept.
    fn drop_old(&self, index: &mut Index) {
        let size = |entry: &Entry| {
            fs::metadata(self.path(entry.generation)).map_or(0, |found| found.len())
        };
        loop {
            let count = index.entries.len();
            let bytes: u64 = index.entries.iter().map(size).sum();
            if count <= 2 || (count <= MAX_ENTRIES && bytes <= MAX_BYTES) {
                return;
            }
            let current = index.current;
            let old = index
                .entries
                .iter()
                .position(|entry| Some(entry.generation) != current);
            let Some(old) = old else {
                return;
            };
            index.entries.remove(old);
        }
    }

    /// Removes the texts that the index does not name, whoever has left them there.
    fn remove_unknown(&self) -> Result<(), StateError> {
        let folder = &self.folder;
        let files = fs::read_dir(folder).map_err(failed("read", folder))?;
        let mut removed = false;
        for file in files.flatten() {
            let path = file.path();
            let is_text = path
                .extension()
                .is_some_and(|extension| extension == "toml");
            let number = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            if let (true, Some(number)) = (is_text, number)
                && self.index.entry(number).is_none()
            {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
                removed = true;
                (self.steps)(Step::Removed);
            }
        }
        if removed {
            sync_folder(folder).map_err(failed("write", folder))?;
        }
        Ok(())
    }

    fn path(&self, generation: u32) -> PathBuf {
        self.folder.join(format!("{generation:010}.toml"))
    }
}

impl Drop for History {
    /// Closing would do, if no copy of the descriptor were open; a child that is about to start a program has one.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(folder = %self.folder.display(), %error, "the history stays locked");
        }
    }
}

fn read_index(path: &Path) -> Result<Index, StateError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Index {
                version: VERSION,
                current: None,
                file_sha256: None,
                entries: Vec::new(),
            });
        }
        Err(error) => return Err(failed("read", path)(error)),
    };
    let damaged = |reason: String| StateError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let index: Index = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    index.check().map_err(damaged)?;
    Ok(index)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Io {
        operation,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::super::replace::UNWATCHED;
    use super::History;

    #[test]
    fn a_child_that_is_about_to_start_a_program_does_not_keep_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path(), UNWATCHED).unwrap();
        // What a child has between `fork` and `exec`: the same open file.
        let of_child = history.lock.try_clone().unwrap();
        drop(history);
        History::open(folder.path(), UNWATCHED).unwrap();
        drop(of_child);
    }
}
