//! Changes of the policy, one at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use stormbolt_control::policy::Policy;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::book::{Book, Guard, Shared};
use super::class_change;
use super::documents::{Applied, ClassChange, DOCUMENT_VERSION, PolicyChange};
use super::effects::effects;
use super::force::{Wanted, put_into_force};
use super::problem::ApiError;
use super::sets::changed_sets;
use super::terms::Terms;
use crate::apply::FixedSizes;
use crate::causes::with_causes;
use crate::config::{self, Finding, LoadError, differences, in_file};
use crate::daemon::{Cancel, Handle, Running, Unanswered, clock};
use crate::state::{Change, Ledger};
use crate::telemetry::Kind;

/// How long a change waits for the one before it.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Source of policies that came without a name.
const API: &str = "api";

/// Changes the policy of a machine.
///
/// Reading a policy, changing it and putting it into force is one step: nobody else's change is
/// lost in between. It also keeps all but one large policy out of memory.
#[derive(Clone)]
pub struct Editor {
    handle: Handle,
    pub(super) book: Shared,
    /// Told when a policy is to be confirmed, or is.
    pub(super) awaited: Arc<Notify>,
    /// The policy file of the daemon.
    config: Option<PathBuf>,
}

/// The right to change the policy, under the terms of whoever wants to.
pub(super) struct Turn {
    pub(super) handle: Handle,
    pub(super) book: Guard,
    pub(super) awaited: Arc<Notify>,
    pub(super) terms: Terms,
}

/// What became of a policy that was changed in one thing.
#[derive(Default)]
pub(super) struct Edited {
    /// Nothing when it stays as it is.
    pub(super) policy: Option<Policy>,
    pub(super) warnings: Vec<Finding>,
    /// How it is written into a policy file.
    pub(super) edit: Option<config::edit::Edit>,
    /// [`Applied::unchanged_prefixes`].
    pub(super) unchanged_prefixes: Option<usize>,
    /// [`Applied::rule_position`].
    pub(super) rule_position: Option<usize>,
}

/// A policy file that somebody has sent.
pub(super) struct Sent {
    pub(super) name: Option<String>,
    pub(super) text: String,
    pub(super) dry_run: bool,
    /// It is undone if it is not confirmed within that time.
    pub(super) confirm: Option<Duration>,
}

/// Why the policy file was not loaded again.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// It cannot be read or is not a policy.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It was refused.
    #[error("{}", .0.problem.error)]
    Refused(ApiError),
}

impl ReloadError {
    /// What is wrong, a line each; for an invalid policy with the places and the text there.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Load(LoadError::Policy(error)) => config::render(error, false)
                .lines()
                .map(str::to_owned)
                .collect(),
            Self::Load(_) | Self::Refused(_) => vec![with_causes(self)],
        }
    }
}

impl From<ReloadError> for ApiError {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Refused(error) => error,
            ReloadError::Load(LoadError::Policy(error)) => {
                let name = error.name().to_owned();
                let mut refused = Self::from(error);
                refused.problem.findings = in_file(refused.problem.findings, &name);
                refused
            }
            ReloadError::Load(error) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, with_causes(&error))
            }
        }
    }
}

impl Editor {
    /// For the machine behind `handle`, whose policies nobody keeps.
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            book: Shared::default(),
            awaited: Arc::default(),
            config: None,
        }
    }

    /// For the machine behind `handle`, whose policies `ledger` keeps together with the policy file `config`.
    pub(crate) fn keeping(handle: Handle, ledger: Ledger, config: PathBuf) -> Self {
        let book = Book {
            ledger: Some(ledger),
            unconfirmed: None,
        };
        Self {
            book: Arc::new(tokio::sync::Mutex::new(book)),
            config: Some(config),
            ..Self::new(handle)
        }
    }

    /// The way to the machine.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The policy file of the daemon.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Puts the policy file into force and returns its generation.
    ///
    /// # Errors
    ///
    /// When it is not a policy or this machine cannot run it; the policy in force stays.
    pub async fn reload(&self, path: &Path) -> Result<u32, ReloadError> {
        let turn = self.turn_with(self.book.clone().lock_owned().await, Terms::default());
        turn.reload(path).await.map(|applied| applied.generation)
    }

    /// Waits for the right to change the policy.
    pub(super) async fn turn(&self, terms: Terms) -> Result<Turn, ApiError> {
        let book = tokio::time::timeout(MAX_WAIT, self.book.clone().lock_owned())
            .await
            .map_err(|_| Unanswered::Busy)?;
        let turn = self.turn_with(book, terms);
        if let Some(wanted) = terms.generation {
            let generation = turn.handle.ask(|running| running.generation()).await?;
            if generation != wanted {
                return Err(ApiError::other_generation(wanted, generation));
            }
        }
        Ok(turn)
    }

    pub(super) fn turn_with(&self, book: Guard, terms: Terms) -> Turn {
        Turn {
            handle: self.handle.clone(),
            book,
            awaited: Arc::clone(&self.awaited),
            terms,
        }
    }
}

impl Turn {
    /// Puts a policy file into force, or only checks it.
    pub(super) async fn replace(self, sent: Sent) -> Result<Applied, ApiError> {
        let name = sent.name.unwrap_or_else(|| API.to_owned());
        let (source, text) = (name.clone(), sent.text);
        let (loaded, text) = blocking(move || (config::parse(&name, &text), text)).await;
        let loaded = loaded?;
        let mut warnings = loaded.warnings.findings();
        let policy = loaded.policy;
        let there = self.handle.ask(|running| running.machine().table_sizes());
        warnings.extend(table_warnings(&policy, there.await?));
        if sent.dry_run {
            return self.compare(policy, warnings).await;
        }
        let wanted = Wanted {
            warnings,
            confirm: sent.confirm,
            ..Wanted::new(policy, source, Change::Whole(text))
        };
        self.apply(wanted).await
    }

    /// Puts the policy file into force.
    pub(super) async fn reload(self, path: &Path) -> Result<Applied, ReloadError> {
        let path = path.to_owned();
        let source = path.display().to_string();
        let loaded = blocking(move || config::load(&path)).await;
        // What the machine refuses, its thread tells.
        let (loaded, text) = loaded.inspect_err(|error| {
            let message = format!(
                "{source} not loaded, the old policy stays in force: {}",
                with_causes(error)
            );
            let journal = self.handle.journal();
            journal.record(clock::wall(), Kind::PolicyRefused, &message);
        })?;
        let shown = loaded.warnings.render(false);
        shown.lines().for_each(|line| tracing::warn!("{line}"));
        let whole = loaded.set_files.is_empty();
        let wanted = Wanted {
            warnings: in_file(loaded.warnings.findings(), &source),
            ..Wanted::new(loaded.policy, source, Change::File { text, whole })
        };
        self.apply_and_compare(wanted)
            .await
            .map_err(ReloadError::Refused)
    }

    /// Changes one class of the policy in force.
    pub(super) async fn change_class(
        self,
        name: String,
        change: ClassChange,
    ) -> Result<Applied, ApiError> {
        self.edit(move |policy| {
            let loaded = class_change::changed(&policy, &name, &change)?;
            Ok(Edited {
                policy: Some(loaded.policy),
                warnings: loaded.warnings.findings(),
                edit: Some(class_change::edit_of(name, &change)),
                ..Edited::default()
            })
        })
        .await
    }

    /// Changes one thing of the policy in force. `edit` gets a copy that shares all rules and sets
    /// with it, and should leave as many shared as it can: what is shared need not be compared.
    pub(super) async fn edit<F>(self, edit: F) -> Result<Applied, ApiError>
    where
        F: FnOnce(Policy) -> Result<Edited, ApiError> + Send + 'static,
    {
        let (policy, generation) = self.in_force().await?;
        let edited = blocking(move || edit(policy)).await?;
        let warnings = edited.warnings;
        let answer = match (edited.policy, edited.edit) {
            (Some(policy), Some(edit)) => {
                let source = edit.summary();
                let wanted = Wanted {
                    warnings,
                    shown_source: API.to_owned(),
                    ..Wanted::new(policy, source, Change::Edit(edit))
                };
                self.apply_and_compare(wanted).await?
            }
            _ => applied(generation, warnings),
        };
        Ok(Applied {
            unchanged_prefixes: edited.unchanged_prefixes,
            rule_position: edited.rule_position,
            ..answer
        })
    }

    /// Says what `policy` would change.
    async fn compare(&self, policy: Policy, warnings: Vec<Finding>) -> Result<Applied, ApiError> {
        let (old, generation) = self.in_force().await?;
        let lately = self.handle.ask(|running| running.lately()).await?;
        let session = self.terms.session;
        Ok(blocking(move || {
            let mut answer = applied(generation, warnings);
            let cut_off = session.and_then(|session| session.cut_off(&old, &policy));
            answer.warnings.extend(cut_off.map(|what| {
                let message = format!("this session would be cut off: {what}");
                Finding::warning(message, "apply it with --confirm 30s")
            }));
            answer.changed_sets = changed_sets(&old, &policy);
            answer.changes = changes(&old, &policy);
            let of = |lately| effects(&policy, &answer.changes, lately);
            answer.effects = lately.as_ref().map(of).unwrap_or_default();
            answer
        })
        .await)
    }

    /// Puts a policy into force as [`Self::apply`] does, and says what that has changed.
    pub(super) async fn apply_and_compare(self, wanted: Wanted) -> Result<Applied, ApiError> {
        let (old, _) = self.in_force().await?;
        let new = wanted.policy.clone();
        let answer = self.apply(wanted).await?;
        Ok(blocking(move || Applied {
            changes: changes(&old, &new),
            ..answer
        })
        .await)
    }

    /// The policy in force and its generation. Copies neither rules nor sets.
    pub(super) async fn in_force(&self) -> Result<(Policy, u32), ApiError> {
        let copy = |running: &mut Running| {
            let policy = running.machine().policy().clone();
            (policy, running.generation())
        };
        Ok(self.handle.ask(copy).await?)
    }

    /// Puts a policy into force and keeps it. Whoever asked goes away by closing the connection, which drops what
    /// waits here, and gives up what is still being compiled; what is in force by then is kept all the same.
    pub(super) async fn apply(self, wanted: Wanted) -> Result<Applied, ApiError> {
        let cancel = Cancel::default();
        let _gone = cancel.on_drop();
        match tokio::spawn(put_into_force(self, wanted, cancel)).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }
}

fn table_warnings(policy: &Policy, there: FixedSizes) -> impl Iterator<Item = Finding> {
    let notices = there.notices(policy);
    notices.map(|(message, help)| Finding::warning(message, help))
}

fn changes(old: &Policy, new: &Policy) -> Vec<PolicyChange> {
    let differences = differences(old, new).into_iter();
    differences.map(PolicyChange::from).collect()
}

pub(super) fn applied(generation: u32, warnings: Vec<Finding>) -> Applied {
    Applied {
        version: DOCUMENT_VERSION,
        generation,
        changes: Vec::new(),
        effects: Vec::new(),
        changed_sets: Vec::new(),
        unchanged_prefixes: None,
        rule_position: None,
        confirm_within_seconds: None,
        warnings,
    }
}

/// Keeps what takes long off the thread that answers. A panic goes on in the caller.
pub(super) async fn blocking<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Cancelled: the runtime ends, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}
