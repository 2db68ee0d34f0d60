//! What is known of the policies that were in force, and who may change the one that is.

use std::sync::Arc;
use std::time::Duration;

use stormbolt_control::policy::Policy;
use stormbolt_control::units::Nanoseconds;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::state::Ledger;

/// Whoever has it may change the policy.
#[derive(Default)]
pub(super) struct Book {
    /// Nothing for a machine whose policies nobody keeps.
    pub(super) ledger: Option<Ledger>,
    /// The policy before the one in force, while that waits to be confirmed.
    pub(super) unconfirmed: Option<Unconfirmed>,
}

/// A policy that is undone if nobody confirms it.
pub(super) struct Unconfirmed {
    pub(super) generation: u32,
    /// What comes back.
    pub(super) before: Policy,
    pub(super) before_generation: u32,
    pub(super) before_source: String,
    /// When, by the daemon's clock.
    pub(super) until: Nanoseconds,
}

pub(super) type Shared = Arc<Mutex<Book>>;
pub(super) type Guard = OwnedMutexGuard<Book>;

impl Unconfirmed {
    pub(super) fn left(&self, now: Nanoseconds) -> Duration {
        Duration::from_nanos(self.until.since(now).0)
    }
}
