//! Carries policies and commands into the data path, and its counters back.
//!
//! [`Engine`] is the I/O half of the control line: it observes, lets the pure
//! [`Controller`](stormbolt_control::controller::Controller) decide, and applies. Policies go in as a
//! whole under one generation number; on any error the policy in force stays in force.

mod attachments;
mod baselines;
mod counted;
mod describe;
mod engine;
mod error;
mod explain;
mod followers;
mod handover;
mod headroom;
mod ids;
mod links;
mod memory;
mod named;
mod observe;
mod packet_words;
mod plan;
mod rule_numbers;
mod sources;
mod table_sizes;
mod tables;
mod views;
mod why;

pub use engine::Engine;
pub use error::{ApplyError, ExplainError};
pub use explain::Asked;
pub use named::{Named, Wanted};
pub use table_sizes::FixedSizes;
