//! What outlives the daemon: the policies that were in force, and which of them is.
//!
//! [`replace`](replace::replace) writes a file so that whatever happens leaves the old or the new one. [`history`] keeps
//! policies with it: a file each, and an index that says which of them counts. [`ledger`] knows how the policy
//! file that an operator edits and the history belong together
//! ([why so](../../../docs/decisions/0016-what-outlives-the-daemon.md)).

mod beginning;
mod draft;
mod entry;
mod history;
mod ledger;
mod replace;
#[cfg(test)]
mod tests;

pub(crate) use entry::{Entry, Fate};
pub(crate) use history::StateError;
pub(crate) use ledger::{Change, Kept, Ledger};
