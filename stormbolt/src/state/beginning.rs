//! What a daemon starts with: the policy file, unless the history is known to be newer.

use stormbolt_control::policy::Policy;

use super::entry::{Entry, Fate, fingerprint};
use super::history::Index;
use super::ledger::{Ledger, forget_pending, read};
use crate::causes::with_causes;
use crate::config::{self, LoadError};

/// What a daemon starts with.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) policy: Policy,
    pub(crate) generation: u32,
    pub(crate) source: String,
    /// What the operator should know, a line each.
    pub(crate) warnings: Vec<String>,
    /// Its text and the fingerprint of the policy file that says it, if it is not in the history.
    new: Option<(String, Option<String>)>,
}

impl Ledger {
    /// The policy to start with: what the policy file says, unless the history is known to be newer.
    pub(crate) fn begin(&self) -> Result<Beginning, LoadError> {
        let current = self.history.as_ref().and_then(|history| {
            let current = history.index().current?;
            Some((history, history.index().entry(current)?))
        });
        let (loaded, text) = match (config::load(&self.config), current) {
            (Ok(loaded), _) => loaded,
            (Err(error), None) => return Err(error),
            (Err(error), Some((_, entry))) => {
                let reason = if let LoadError::Policy(error) = &error {
                    config::render(error, false)
                } else {
                    with_causes(&error)
                };
                let because = format!("{reason}\n{} is not used", self.config.display());
                return self.instead(entry, because).ok_or(error);
            }
        };
        let mut warnings: Vec<String> = lines(&loaded.warnings.render(false));
        let sha256 = fingerprint(&text);
        let whole = if loaded.set_files.is_empty() {
            text
        } else {
            config::to_toml(&loaded.policy)
        };
        let mut generation = self.next_generation();
        let mut new = Some((whole, Some(sha256.clone())));
        if let Some((history, entry)) = current {
            let is_the_same = |(whole, _): &(String, _)| fingerprint(whole) == entry.sha256;
            if new.as_ref().is_some_and(is_the_same) {
                (generation, new) = (entry.generation, None);
            } else if let Some(because) = self.outdated(history.index(), &sha256) {
                if let Some(beginning) = self.instead(entry, because) {
                    return Ok(beginning);
                }
            } else if entry.file_sha256.as_ref() != Some(&sha256) {
                let (file, old) = (self.config.display(), entry.generation);
                warnings.push(format!(
                    "{file} was changed since generation {old}, and counts; \
                     `stormbolt rollback {old}` brings that back"
                ));
            }
        }
        Ok(Beginning {
            policy: loaded.policy,
            generation,
            source: self.config.display().to_string(),
            warnings,
            new,
        })
    }

    /// Why the history counts and not the policy file with this fingerprint.
    fn outdated(&self, index: &Index, sha256: &str) -> Option<String> {
        let file = self.config.display();
        let is_it = |entry: &&Entry| entry.file_sha256.as_deref() == Some(sha256);
        match index.entries.iter().rev().find(is_it) {
            Some(entry) if entry.fate != Fate::Kept => Some(format!(
                "{file} has the policy of generation {}, which was not confirmed",
                entry.generation
            )),
            Some(entry) if Some(entry.generation) == index.current => None,
            Some(_) | None => (index.file_sha256.as_deref() == Some(sha256))
                .then(|| format!("{file} lacks what was changed since by commands")),
        }
    }

    fn instead(&self, entry: &Entry, because: String) -> Option<Beginning> {
        let generation = entry.generation;
        let name = format!("generation {generation}");
        let text = self.text(generation).map_err(|error| with_causes(&error));
        let loaded = text.and_then(|text| {
            config::parse(&name, &text).map_err(|error| config::render(&error, false))
        });
        match loaded {
            Ok(loaded) => {
                let mut warnings = lines(&because);
                warnings.push(format!(
                    "starting with generation {generation} out of the history instead"
                ));
                Some(Beginning {
                    policy: loaded.policy,
                    generation,
                    source: entry.source.clone(),
                    warnings,
                    new: None,
                })
            }
            Err(reason) => {
                tracing::error!("generation {generation} cannot be read: {reason}");
                None
            }
        }
    }

    /// The policy of `beginning` is in force. Returns what is wrong.
    pub(crate) fn begun(&mut self, beginning: &Beginning, unix_time_seconds: u64) -> Vec<String> {
        let generation = beginning.generation;
        self.generation = generation;
        let file = read(&self.config).map(|text| fingerprint(&text));
        let Some(history) = &mut self.history else {
            (self.known_file, self.file_is_current) = (file, true);
            return Vec::new();
        };
        let kept = match &beginning.new {
            Some((text, file_sha256)) => {
                let entry = Entry {
                    generation,
                    unix_time_seconds,
                    source: beginning.source.clone(),
                    sha256: fingerprint(text),
                    file_sha256: file_sha256.clone(),
                    restored: None,
                    fate: Fate::Kept,
                };
                history.add(entry, text, |index| {
                    forget_pending(index);
                    index.current = Some(generation);
                    index.file_sha256.clone_from(file_sha256);
                })
            }
            None => history.change(forget_pending),
        };
        let index = history.index();
        let says = index
            .entry(generation)
            .and_then(|entry| entry.file_sha256.clone());
        self.file_is_current = says.is_some() && says == file;
        self.known_file = if self.file_is_current {
            file
        } else {
            index.file_sha256.clone()
        };
        let failed = |error| format!("the history is not written: {}", with_causes(&error));
        kept.map_err(failed).err().into_iter().collect()
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
