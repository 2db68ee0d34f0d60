//! How a policy is to be kept: what the history gets, and what becomes of the policy file.

use std::path::Path;

use stormbolt_control::policy::Policy;

use super::entry::{Entry, fingerprint};
use super::ledger::{Change, Kept, Ledger, read};
use crate::config;
use crate::config::edit::Edit;

/// How a policy is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    /// What the history has.
    pub(super) text: String,
    pub(super) file: FileDraft,
}

/// What becomes of the policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileDraft {
    /// It says so already; its fingerprint.
    Says(String),
    /// It is to say this.
    Write(String),
    /// It stays as it is, for this reason.
    Leave(String),
}

impl Ledger {
    /// How a policy is to be kept.
    pub(super) fn draft(&self, kept: &Kept<'_>) -> Draft {
        let file = read(&self.config);
        let whole = || config::to_toml(kept.policy);
        match &kept.change {
            Change::File { text, whole: true } => Draft {
                text: text.clone(),
                file: FileDraft::Says(fingerprint(text)),
            },
            Change::File { text, .. } => Draft {
                text: whole(),
                file: FileDraft::Says(fingerprint(text)),
            },
            Change::Whole(text) => Draft {
                text: text.clone(),
                file: match file {
                    Some(file) if self.says(&file, text, kept) => {
                        FileDraft::Says(fingerprint(&file))
                    }
                    Some(_) | None => FileDraft::Write(text.clone()),
                },
            },
            Change::Restored(from) => {
                let text = self.text(*from).unwrap_or_else(|_| whole());
                let entry = self.entry(*from);
                let says = entry.and_then(|entry| entry.file_sha256.clone());
                // Whoever brings it back may have edited the file before.
                let file = match says {
                    Some(says) if file.as_deref().map(fingerprint).as_ref() == Some(&says) => {
                        FileDraft::Says(says)
                    }
                    _ if entry.is_some_and(Entry::is_written_out) => {
                        FileDraft::Leave("it names files of sets".to_owned())
                    }
                    _ => FileDraft::Write(text.clone()),
                };
                Draft { text, file }
            }
            Change::Edit(edit) => self.draft_edit(edit, file, kept.policy),
        }
    }

    fn draft_edit(&self, edit: &Edit, file: Option<String>, policy: &Policy) -> Draft {
        let is_current = self.file_is_current
            && file.as_deref().map(fingerprint).as_ref() == self.known_file.as_ref();
        let own = || self.text(self.generation).ok();
        let edited = if is_current { file } else { own() }
            .ok_or_else(|| "the text before the change is not known".to_owned())
            .and_then(|base| edit.in_text(&base, policy))
            .and_then(|text| self.checked(text, policy));
        let written_out = || {
            self.entry(self.generation)
                .is_some_and(Entry::is_written_out)
        };
        match edited {
            Ok((text, true)) if !is_current && written_out() => Draft {
                text,
                file: FileDraft::Leave("an earlier change could not be written there".to_owned()),
            },
            Ok((text, true)) => Draft {
                file: FileDraft::Write(text.clone()),
                text,
            },
            Ok((text, false)) => Draft {
                text: config::to_toml(policy),
                file: FileDraft::Write(text),
            },
            Err(reason) => Draft {
                text: config::to_toml(policy),
                file: FileDraft::Leave(reason),
            },
        }
    }

    pub(super) fn entry(&self, generation: u32) -> Option<&Entry> {
        self.history.as_ref()?.index().entry(generation)
    }

    /// Whether the policy file, which has the text `file`, says what was sent as `text`.
    fn says(&self, file: &str, text: &str, kept: &Kept<'_>) -> bool {
        // The files of its sets are written out in what is sent.
        let has_same_policy =
            || config::load(&self.config).is_ok_and(|(loaded, _)| loaded.policy == *kept.policy);
        file == text || (Path::new(&kept.source) == self.config && has_same_policy())
    }

    /// The text, if it says what `policy` is; and whether it does so by itself, without files.
    fn checked(&self, text: String, policy: &Policy) -> Result<(String, bool), String> {
        let folder = self.config.parent().unwrap_or(&self.config);
        let loaded = config::parse_in(folder, "policy file", &text)
            .map_err(|error| error.report().summary())?;
        if loaded.policy == *policy {
            return Ok((text, loaded.set_files.is_empty()));
        }
        Err("the policy is written in another way there".to_owned())
    }
}
