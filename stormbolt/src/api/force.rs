//! A policy comes into force, and is kept.

use std::time::Duration;

use axum::http::StatusCode;
use stormbolt_control::policy::Policy;
use stormbolt_control::units::Nanoseconds;

use super::book::Unconfirmed;
use super::documents::Applied;
use super::edit::{Turn, applied, blocking};
use super::problem::ApiError;
use super::sets::changed_sets;
use crate::causes::with_causes;
use crate::config::Finding;
use crate::daemon::memory::give_back;
use crate::daemon::{BoxedError, Cancel, Unanswered, clock, given_up};
use crate::state::{Change, Kept, Ledger};

/// A policy that is to be in force.
pub(super) struct Wanted {
    pub(super) policy: Policy,
    /// What the history calls it.
    pub(super) source: String,
    /// What the status calls it.
    pub(super) shown_source: String,
    pub(super) change: Change,
    /// What is known about it already.
    pub(super) warnings: Vec<Finding>,
    /// It is undone if it is not confirmed within that time.
    pub(super) confirm: Option<Duration>,
    /// It comes although another waits to be confirmed, and takes its place.
    pub(super) undoes: bool,
}

/// What was in force before.
struct Before {
    policy: Policy,
    generation: u32,
    source: String,
}

impl Wanted {
    pub(super) fn new(policy: Policy, source: String, change: Change) -> Self {
        Self {
            policy,
            shown_source: source.clone(),
            source,
            change,
            warnings: Vec::new(),
            confirm: None,
            undoes: false,
        }
    }
}

/// Puts a policy into force and keeps it. To be spawned: it must come to its end once the policy is in force,
/// whoever waits for it.
pub(super) async fn put_into_force(
    mut turn: Turn,
    wanted: Wanted,
    cancel: Cancel,
) -> Result<Applied, ApiError> {
    if let (false, Some(waiting)) = (wanted.undoes, &turn.book.unconfirmed) {
        return Err(ApiError::unconfirmed(waiting.generation));
    }
    let (old, _) = turn.in_force().await?;
    let session = turn.terms.session.filter(|_| wanted.confirm.is_none());
    if let Some(session) = session {
        let (old, new) = (old.clone(), wanted.policy.clone());
        if let Some(what) = blocking(move || session.cut_off(&old, &new)).await {
            return Err(cut_off(&what));
        }
    }
    let next = turn.book.ledger.as_ref().map(Ledger::next_generation);
    let (source, new) = (wanted.shown_source.clone(), wanted.policy);
    let done = turn.handle.ask(move |running| {
        let before = Before {
            policy: running.machine().policy().clone(),
            generation: running.generation(),
            source: running.source().to_owned(),
        };
        let sets = changed_sets(&before.policy, &new);
        let generation = running.apply(new, &source, next, &cancel)?;
        let policy = running.machine().policy().clone();
        Ok::<_, BoxedError>((before, sets, generation, policy))
    });
    let (before, changed_sets, generation, policy) = done.await?.map_err(refused)?;

    let mut answer = applied(generation, wanted.warnings);
    answer.changed_sets = changed_sets;
    turn.book.unconfirmed = wanted.confirm.map(|confirm| Unconfirmed {
        generation,
        before: before.policy,
        before_generation: before.generation,
        before_source: before.source,
        until: Nanoseconds(clock::now().0.saturating_add(nanoseconds(confirm))),
    });
    answer.confirm_within_seconds = wanted.confirm.map(|time| time.as_secs());
    let (change, source) = (wanted.change, wanted.source);
    let is_whole = !matches!(change, Change::Edit(_));
    let (turn, warnings) = blocking(move || {
        let unconfirmed = turn.book.unconfirmed.is_some();
        let warnings = turn.book.ledger.as_mut().map(|ledger| {
            ledger.keep(&Kept {
                generation,
                policy: &policy,
                change,
                source,
                unix_time_seconds: clock::unix_seconds(),
                unconfirmed,
            })
        });
        (turn, warnings.unwrap_or_default())
    })
    .await;
    turn.say_until_when().await?;
    if is_whole {
        blocking(give_back).await;
    }
    for warning in &warnings {
        tracing::warn!("{}", warning.message);
    }
    answer.warnings.extend(warnings);
    Ok(answer)
}

impl Turn {
    /// Tells the machine's status, and whoever undoes it, how long a policy may wait to be confirmed.
    pub(super) async fn say_until_when(&self) -> Result<(), ApiError> {
        let until = self.book.unconfirmed.as_ref().map(|one| one.until);
        self.handle
            .ask(move |running| running.set_unconfirmed(until))
            .await?;
        self.awaited.notify_one();
        Ok(())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn refused(error: BoxedError) -> ApiError {
    if given_up(error.as_ref()) {
        return Unanswered::Stopping.into();
    }
    let reason = with_causes(error.as_ref());
    let message = format!("this machine cannot run the policy: {reason}");
    ApiError::new(StatusCode::CONFLICT, message)
}

fn cut_off(what: &str) -> ApiError {
    let message = format!(
        "refused, for it would cut off the session that it comes from: {what}; `stormbolt apply --confirm 30s` \
         tries a policy, and undoes it unless `stormbolt confirm` comes in time"
    );
    ApiError::new(StatusCode::CONFLICT, message)
}
