//! Changes of the policy, one at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use stormbolt_control::policy::Policy;
use thiserror::Error;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::spawn_blocking;

use super::class_change;
use super::documents::{Applied, ChangedSet, ClassChange, DOCUMENT_VERSION};
use super::problem::ApiError;
use super::sets::changed_sets;
use crate::apply::FixedSizes;
use crate::causes::with_causes;
use crate::config::{self, Finding, LoadError};
use crate::daemon::{BoxedError, Cancel, Handle, Running, Unanswered, given_up};

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
    turn: Arc<Mutex<()>>,
}

/// The right to change the policy.
pub(super) struct Turn<'e> {
    handle: &'e Handle,
    _guard: MutexGuard<'e, ()>,
}

/// What became of a policy that was changed in one thing.
#[derive(Default)]
pub(super) struct Edited {
    /// Nothing when it stays as it is.
    pub(super) policy: Option<Policy>,
    pub(super) warnings: Vec<Finding>,
    /// [`Applied::unchanged_prefixes`].
    pub(super) unchanged_prefixes: Option<usize>,
    /// [`Applied::rule_position`].
    pub(super) rule_position: Option<usize>,
}

/// Why the policy file was not loaded again.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// It cannot be read or is not a policy.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// This machine cannot run it.
    #[error("cannot apply the policy")]
    Apply(#[source] BoxedError),
    /// The machine did not answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl ReloadError {
    /// What is wrong, a line each; for an invalid policy with the places and the text there.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Load(LoadError::Policy(error)) => config::render(error, false)
                .lines()
                .map(str::to_owned)
                .collect(),
            Self::Load(_) | Self::Apply(_) | Self::Unanswered(_) => vec![with_causes(self)],
        }
    }
}

impl Editor {
    /// For the machine behind `handle`.
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            turn: Arc::default(),
        }
    }

    /// The way to the machine.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Puts the policy file into force and returns its generation.
    ///
    /// # Errors
    ///
    /// When it is not a policy or this machine cannot run it; the policy in force stays.
    pub async fn reload(&self, path: &Path) -> Result<u32, ReloadError> {
        let _guard = self.turn.lock().await;
        let path = path.to_owned();
        let source = path.display().to_string();
        let (loaded, _text) = blocking(move || config::load(&path)).await?;
        let warnings = loaded.warnings.render(false);
        warnings.lines().for_each(|line| tracing::warn!("{line}"));
        let applied = self
            .handle
            .ask(move |running| running.apply(loaded.policy, &source, &Cancel::default()))
            .await?;
        applied.map_err(ReloadError::Apply)
    }

    /// Waits for the right to change the policy.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, ApiError> {
        match tokio::time::timeout(MAX_WAIT, self.turn.lock()).await {
            Ok(guard) => Ok(Turn {
                handle: &self.handle,
                _guard: guard,
            }),
            Err(_) => Err(Unanswered::Busy.into()),
        }
    }
}

impl Turn<'_> {
    /// Puts a policy file into force, or only checks it.
    pub(super) async fn replace(
        &self,
        name: Option<String>,
        text: String,
        dry_run: bool,
    ) -> Result<Applied, ApiError> {
        let name = name.unwrap_or_else(|| API.to_owned());
        let source = name.clone();
        let loaded = blocking(move || config::parse(&name, &text)).await?;
        let mut warnings = loaded.warnings.findings();
        let policy = loaded.policy;
        let there = self.handle.ask(|running| running.machine().table_sizes());
        warnings.extend(table_warnings(&policy, there.await?));
        if dry_run {
            return Ok(self
                .handle
                .ask(move |running| {
                    let machine = running.machine();
                    let sets = changed_sets(machine.policy(), &policy);
                    applied(machine.generation(), sets, warnings)
                })
                .await?);
        }
        self.apply(policy, warnings, source).await
    }

    /// Changes one class of the policy in force.
    pub(super) async fn change_class(
        &self,
        name: String,
        change: ClassChange,
    ) -> Result<Applied, ApiError> {
        self.edit(move |policy| {
            let loaded = class_change::changed(&policy, &name, &change)?;
            Ok(Edited {
                policy: Some(loaded.policy),
                warnings: loaded.warnings.findings(),
                ..Edited::default()
            })
        })
        .await
    }

    /// Changes one thing of the policy in force. `edit` gets a copy that shares all rules and sets
    /// with it, and should leave as many shared as it can: what is shared need not be compared.
    pub(super) async fn edit<F>(&self, edit: F) -> Result<Applied, ApiError>
    where
        F: FnOnce(Policy) -> Result<Edited, ApiError> + Send + 'static,
    {
        let (policy, generation) = self.in_force().await?;
        let edited = blocking(move || edit(policy)).await?;
        let warnings = edited.warnings;
        let answer = match edited.policy {
            Some(policy) => self.apply(policy, warnings, API.to_owned()).await?,
            None => applied(generation, Vec::new(), warnings),
        };
        Ok(Applied {
            unchanged_prefixes: edited.unchanged_prefixes,
            rule_position: edited.rule_position,
            ..answer
        })
    }

    /// The policy in force and its generation. Copies neither rules nor sets.
    async fn in_force(&self) -> Result<(Policy, u32), ApiError> {
        let copy = |running: &mut Running| {
            let machine = running.machine();
            (machine.policy().clone(), machine.generation())
        };
        Ok(self.handle.ask(copy).await?)
    }

    async fn apply(
        &self,
        policy: Policy,
        warnings: Vec<Finding>,
        source: String,
    ) -> Result<Applied, ApiError> {
        // Whoever asked goes away by closing the connection, which drops what waits here.
        let cancel = Cancel::default();
        let _gone = cancel.on_drop();
        match self
            .handle
            .ask(move |running| {
                let sets = changed_sets(running.machine().policy(), &policy);
                let generation = running.apply(policy, &source, &cancel)?;
                Ok::<_, BoxedError>((generation, sets))
            })
            .await?
        {
            Ok((generation, sets)) => Ok(applied(generation, sets, warnings)),
            Err(error) if given_up(error.as_ref()) => Err(Unanswered::Stopping.into()),
            Err(error) => {
                let reason = with_causes(error.as_ref());
                let message = format!("this machine cannot run the policy: {reason}");
                Err(ApiError::new(StatusCode::CONFLICT, message))
            }
        }
    }
}

fn table_warnings(policy: &Policy, there: FixedSizes) -> impl Iterator<Item = Finding> {
    let notices = there.notices(policy);
    notices.map(|(message, help)| Finding::warning(message, help))
}

fn applied(generation: u32, changed_sets: Vec<ChangedSet>, warnings: Vec<Finding>) -> Applied {
    Applied {
        version: DOCUMENT_VERSION,
        generation,
        changed_sets,
        unchanged_prefixes: None,
        rule_position: None,
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
