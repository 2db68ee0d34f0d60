//! The policy in force, the policy file and the history: what becomes of each when one of them changes.

use std::fs;
use std::path::{Path, PathBuf};

use stormbolt_control::policy::Policy;

use super::draft::{Draft, FileDraft};
use super::entry::{Entry, Fate, fingerprint};
use super::history::{History, Index, StateError};
use super::replace::{Steps, UNWATCHED, replace};
use crate::causes::with_causes;
use crate::config::Finding;
use crate::config::edit::Edit;

/// Where a policy came from that has just come into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A whole policy, as text that stands for itself.
    Whole(String),
    /// The policy file with this text, and whether that stands for itself.
    File { text: String, whole: bool },
    /// One thing in the policy before.
    Edit(Edit),
    /// An earlier policy.
    Restored(u32),
}

/// A policy that has just come into force.
pub(crate) struct Kept<'p> {
    pub(crate) generation: u32,
    pub(crate) policy: &'p Policy,
    pub(crate) change: Change,
    /// What the history calls it.
    pub(crate) source: String,
    pub(crate) unix_time_seconds: u64,
    /// It counts only when it is confirmed.
    pub(crate) unconfirmed: bool,
}

/// A policy that waits to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) generation: u32,
    draft: Draft,
}

/// What is kept of policies.
pub(crate) struct Ledger {
    pub(super) config: PathBuf,
    pub(super) history: Option<History>,
    /// Why there is no history.
    pub(super) trouble: Option<String>,
    /// Of the policy in force.
    pub(super) generation: u32,
    /// Fingerprint of the policy file as it was when it last said what was in force.
    pub(super) known_file: Option<String>,
    /// Whether it still says that.
    pub(super) file_is_current: bool,
    pub(super) pending: Option<Pending>,
    pub(super) steps: Steps,
}

impl Ledger {
    /// For the policy file `config` and the folder `state`, which is made if it is not there. Without one
    /// that can be used, nothing is kept but what the policy file says.
    pub(crate) fn open(config: &Path, state: &Path) -> Self {
        Self::open_watched(config, state, UNWATCHED)
    }

    pub(super) fn open_watched(config: &Path, state: &Path, steps: Steps) -> Self {
        let (history, trouble) = match History::open(state, steps) {
            Ok(history) => (Some(history), None),
            Err(error) => {
                let reason = with_causes(&error);
                (
                    None,
                    Some(format!("there is no history of policies: {reason}")),
                )
            }
        };
        Self {
            config: config.to_owned(),
            history,
            trouble,
            generation: 0,
            known_file: None,
            file_is_current: false,
            pending: None,
            steps,
        }
    }

    /// Why nothing is kept.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The policies that are kept, the oldest first, and the generation that a daemon starts with.
    pub(crate) fn entries(&self) -> (&[Entry], Option<u32>) {
        match &self.history {
            Some(history) => (&history.index().entries, history.index().current),
            None => (&[], None),
        }
    }

    /// Generation of the policy that comes next.
    pub(crate) fn next_generation(&self) -> u32 {
        let last = self.entries().0.last().map_or(0, |entry| entry.generation);
        last.max(self.generation).saturating_add(1)
    }

    /// The policy that waits to be confirmed.
    #[cfg(test)]
    pub(super) fn pending(&self) -> Option<u32> {
        self.pending.as_ref().map(|pending| pending.generation)
    }

    /// The generation that `rollback` without a number leads to.
    pub(crate) fn previous(&self) -> Option<u32> {
        let (entries, current) = self.entries();
        let origin = |entry: &Entry| entry.restored.unwrap_or(entry.generation);
        let current = entries
            .iter()
            .find(|entry| Some(entry.generation) == current)?;
        let before = entries.iter().rev().filter(|entry| {
            entry.fate == Fate::Kept
                && entry.generation < origin(current)
                && entry.sha256 != current.sha256
        });
        before.map(|entry| entry.generation).next()
    }

    /// The text of an earlier policy.
    pub(crate) fn text(&self, generation: u32) -> Result<String, StateError> {
        let unknown = StateError::Unknown(generation);
        self.history.as_ref().ok_or(unknown)?.text(generation)
    }

    /// Keeps a policy that has come into force, so that a daemon starts with it, and writes it into the policy
    /// file if that is still what it was. Returns what did not work.
    pub(crate) fn keep(&mut self, kept: &Kept<'_>) -> Vec<Finding> {
        let draft = self.draft(kept);
        self.generation = kept.generation;
        let mut entry = Entry {
            generation: kept.generation,
            unix_time_seconds: kept.unix_time_seconds,
            source: kept.source.clone(),
            sha256: fingerprint(&draft.text),
            file_sha256: match &draft.file {
                FileDraft::Says(sha256) => Some(sha256.clone()),
                FileDraft::Write(text) => Some(fingerprint(text)),
                FileDraft::Leave(_) => None,
            },
            restored: match kept.change {
                Change::Restored(from) => Some(from),
                Change::Whole(_) | Change::File { .. } | Change::Edit(_) => None,
            },
            fate: Fate::Kept,
        };
        if kept.unconfirmed {
            entry.fate = Fate::Pending;
            let written = self.add(entry, &draft.text, |_| ());
            self.pending = Some(Pending {
                generation: kept.generation,
                draft,
            });
            return written;
        }
        self.pending = None;
        let generation = kept.generation;
        let known = self.known_after(&draft);
        let mut warnings = self.add(entry, &draft.text, |index| {
            forget_pending(index);
            index.current = Some(generation);
            index.file_sha256 = known;
        });
        warnings.extend(self.write_file(&draft, generation));
        warnings
    }

    /// The policy that waits is confirmed.
    pub(crate) fn confirm(&mut self) -> Vec<Finding> {
        let Some(Pending { generation, draft }) = self.pending.take() else {
            return Vec::new();
        };
        let known = self.known_after(&draft);
        let mut warnings = self.change(|index| {
            if let Some(entry) = index.entry_mut(generation) {
                entry.fate = Fate::Kept;
                index.current = Some(generation);
                index.file_sha256 = known;
            }
        });
        warnings.extend(self.write_file(&draft, generation));
        warnings
    }

    fn known_after(&self, draft: &Draft) -> Option<String> {
        match &draft.file {
            FileDraft::Says(sha256) => Some(sha256.clone()),
            FileDraft::Write(_) | FileDraft::Leave(_) => self.known_file.clone(),
        }
    }

    fn add(&mut self, entry: Entry, text: &str, change: impl FnOnce(&mut Index)) -> Vec<Finding> {
        let done = self
            .history
            .as_mut()
            .map(|history| history.add(entry, text, change));
        done.and_then(Result::err)
            .map(|error| lost(&error))
            .into_iter()
            .collect()
    }

    fn change(&mut self, change: impl FnOnce(&mut Index)) -> Vec<Finding> {
        let done = self.history.as_mut().map(|history| history.change(change));
        done.and_then(Result::err)
            .map(|error| lost(&error))
            .into_iter()
            .collect()
    }

    fn file_is_known(&self) -> bool {
        let file = read(&self.config).as_deref().map(fingerprint);
        file.is_some() && file == self.known_file
    }

    fn write_file(&mut self, draft: &Draft, generation: u32) -> Option<Finding> {
        let reason = match &draft.file {
            FileDraft::Says(sha256) => {
                (self.known_file, self.file_is_current) = (Some(sha256.clone()), true);
                return None;
            }
            FileDraft::Leave(reason) => reason.clone(),
            FileDraft::Write(_) if !self.file_is_known() => {
                "it was changed by hand since it was read".to_owned()
            }
            FileDraft::Write(text) => match replace(&self.config, text.as_bytes(), self.steps) {
                Ok(()) => {
                    (self.known_file, self.file_is_current) = (Some(fingerprint(text)), true);
                    return None;
                }
                Err(error) => error.to_string(),
            },
        };
        self.file_is_current = false;
        let file = self.config.display();
        let kept = match &self.history {
            Some(history) => format!("is kept in {}", history.folder().display()),
            None => "is lost when the daemon ends".to_owned(),
        };
        Some(Finding::warning(
            format!(
                "generation {generation} is in force and {kept}, but is not written into {file}: {reason}"
            ),
            "`stormbolt diff FILE` shows what a file would change, `stormbolt export` what is in force, \
             `stormbolt reload` takes the file",
        ))
    }
}

pub(super) fn forget_pending(index: &mut Index) {
    for entry in &mut index.entries {
        if entry.fate == Fate::Pending {
            entry.fate = Fate::Unconfirmed;
        }
    }
}

fn lost(error: &StateError) -> Finding {
    let message = format!(
        "the policy is in force, but not in the history: {}",
        with_causes(error)
    );
    Finding::warning(
        message,
        "make room or give the right to write there, and apply it again",
    )
}

pub(super) fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}
