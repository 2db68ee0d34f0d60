//! Policies that are confirmed, undone and brought back.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::StatusCode;

use super::documents::{Applied, DOCUMENT_VERSION, History, PastPolicy};
use super::edit::{Editor, Turn, applied, blocking};
use super::force::Wanted;
use super::problem::ApiError;
use super::terms::Terms;
use crate::causes::with_causes;
use crate::config;
use crate::daemon::clock;
use crate::state::{Change, Entry, Fate, Ledger, StateError};

/// How long an attempt to undo a policy that failed is waited after.
const RETRY: Duration = Duration::from_secs(5);

impl Editor {
    /// Undoes policies that nobody confirms in time, for ever.
    pub(crate) async fn undo_unconfirmed(&self) -> Infallible {
        loop {
            let left = {
                let book = self.book.lock().await;
                let waiting = book.unconfirmed.as_ref();
                waiting.map(|waiting| waiting.left(clock::now()))
            };
            match left {
                None => self.awaited.notified().await,
                Some(left) if left > Duration::ZERO => {
                    tokio::select! {
                        () = tokio::time::sleep(left) => {}
                        () = self.awaited.notified() => {}
                    }
                }
                Some(_) => {
                    let book = self.book.clone().lock_owned().await;
                    let is_due = book
                        .unconfirmed
                        .as_ref()
                        .is_some_and(|waiting| waiting.left(clock::now()).is_zero());
                    if !is_due {
                        continue;
                    }
                    if let Err(error) = self.turn_with(book, Terms::default()).undo().await {
                        let reason = error.problem.error;
                        tracing::error!(
                            "the policy that was not confirmed is still there: {reason}"
                        );
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        }
    }

    /// The policies that are kept.
    pub(super) async fn history(&self) -> History {
        let book = self.book.lock().await;
        let (entries, current) = book
            .ledger
            .as_ref()
            .map(Ledger::entries)
            .unwrap_or_default();
        let pending = book.unconfirmed.as_ref().map(|waiting| waiting.generation);
        let now = clock::unix_seconds();
        let in_force = pending.or(current);
        let past = |entry: &Entry| PastPolicy {
            generation: entry.generation,
            unix_time_seconds: entry.unix_time_seconds,
            age_seconds: now.saturating_sub(entry.unix_time_seconds),
            source: entry.source.clone(),
            state: match entry.fate {
                Fate::Pending => "unconfirmed",
                Fate::Unconfirmed => "not-confirmed",
                Fate::Kept if Some(entry.generation) == in_force => "in-force",
                Fate::Kept => "past",
            }
            .to_owned(),
            restored_generation: entry.restored,
        };
        History {
            version: DOCUMENT_VERSION,
            policies: entries.iter().map(past).collect(),
        }
    }

    /// The text of one of them.
    pub(super) async fn past_policy(&self, generation: u32) -> Result<String, ApiError> {
        let book = self.book.clone().lock_owned().await;
        blocking(move || match &book.ledger {
            Some(ledger) => ledger.text(generation),
            None => Err(StateError::Unknown(generation)),
        })
        .await
        .map_err(|error| missing(&error))
    }
}

impl Turn {
    /// The policy in force is what is wanted.
    pub(super) async fn confirm(mut self) -> Result<Applied, ApiError> {
        let Some(waiting) = self.book.unconfirmed.take() else {
            return Err(nothing("no policy waits to be confirmed"));
        };
        let (turn, warnings) = blocking(move || {
            let ledger = self.book.ledger.as_mut();
            let warnings = ledger.map(Ledger::confirm);
            (self, warnings.unwrap_or_default())
        })
        .await;
        turn.say_until_when().await?;
        tracing::info!("generation {} is confirmed", waiting.generation);
        Ok(applied(waiting.generation, warnings))
    }

    /// Brings back generation `to`; without, the policy before the one in force.
    pub(super) async fn roll_back(self, to: Option<u32>) -> Result<Applied, ApiError> {
        if let Some(waiting) = &self.book.unconfirmed
            && to.is_none_or(|to| to == waiting.before_generation)
        {
            return self.undo().await;
        }
        let ledger = self.book.ledger.as_ref();
        let Some(to) = to.or_else(|| ledger.and_then(Ledger::previous)) else {
            return Err(nothing("there is no policy before this one"));
        };
        let (turn, text) = blocking(move || {
            let text = match &self.book.ledger {
                Some(ledger) => ledger.text(to),
                None => Err(StateError::Unknown(to)),
            };
            (self, text)
        })
        .await;
        let text = text.map_err(|error| missing(&error))?;
        let name = format!("generation {to}");
        let loaded = blocking(move || config::parse(&name, &text)).await?;
        let wanted = Wanted {
            warnings: loaded.warnings.findings(),
            undoes: true,
            ..Wanted::new(
                loaded.policy,
                format!("rollback to generation {to}"),
                Change::Restored(to),
            )
        };
        turn.apply_and_compare(wanted).await
    }

    /// Brings back the policy before the one that waits to be confirmed.
    async fn undo(self) -> Result<Applied, ApiError> {
        let Some(waiting) = &self.book.unconfirmed else {
            return Err(nothing("no policy waits to be confirmed"));
        };
        let (generation, to) = (waiting.generation, waiting.before_generation);
        tracing::warn!("generation {generation} is undone, since it was not confirmed");
        let wanted = Wanted {
            shown_source: waiting.before_source.clone(),
            undoes: true,
            ..Wanted::new(
                waiting.before.clone(),
                format!("generation {generation} was not confirmed"),
                Change::Restored(to),
            )
        };
        self.apply_and_compare(wanted).await
    }
}

fn nothing(message: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, message)
}

fn missing(error: &StateError) -> ApiError {
    let status = match error {
        StateError::Unknown(_) => StatusCode::NOT_FOUND,
        StateError::Io { .. } | StateError::InUse { .. } | StateError::Damaged { .. } => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    ApiError::new(status, with_causes(error))
}
