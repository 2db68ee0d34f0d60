//! The daemon: one thread that owns the machine and ticks, and the API in front of it.
//!
//! [`worker`] is that thread, [`Handle`] the way to it from everywhere else; [`serve`] ties them to
//! the socket and to the events of the process, [`run`] adds the signals, the privileges and the
//! service manager. [`clock`] is the only place that knows what time it is.

mod activity;
pub(crate) mod clock;
mod engine;
mod error;
mod machine;
mod probe;
mod process;
mod recent;
mod running;
mod schedule;
mod serve;
mod signals;
mod socket;
mod worker;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub use activity::{Activity, Cancel, CancelOnDrop, Compiling};
pub use error::RunError;
pub(crate) use machine::given_up;
pub use machine::{BoxedError, Machine};
pub use process::{DEFAULT_CONFIG, DEFAULT_SOCKET, DEFAULT_STATE, run};
pub(crate) use recent::Lately;
pub use running::Running;
pub use serve::{Event, Milestone, Options, serve};
pub use socket::SocketError;
pub use worker::{Handle, Unanswered};
