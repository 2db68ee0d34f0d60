//! The daemon: one thread that owns the machine and ticks, and the API in front of it.
//!
//! [`worker`] is that thread, [`Handle`] the way to it from everywhere else; [`serve`] ties them to
//! the socket and to the events of the process, [`run`] adds the signals, the privileges and the
//! service manager. [`clock`] is the only place that knows what time it is.

mod activity;
pub(crate) mod clock;
mod engine;
mod error;
mod links;
mod machine;
pub(crate) mod memory;
mod peers;
mod privileges;
mod probe;
mod process;
mod pulse;
mod recent;
mod running;
mod schedule;
mod seldom;
mod serve;
mod service_manager;
mod signals;
mod socket;
mod worker;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod milestone_tests;
#[cfg(test)]
mod tests;

pub use activity::{Activity, Cancel, CancelOnDrop, Compiling};
pub use error::RunError;
pub(crate) use machine::given_up;
pub use machine::{BoxedError, Machine};
pub use peers::{Access, AccessError, AccessOptions, Who};
pub(crate) use privileges::missing_rights;
pub use process::{DEFAULT_BPFFS, DEFAULT_CONFIG, DEFAULT_SOCKET, DEFAULT_STATE, run};
pub(crate) use recent::Lately;
pub use running::Running;
pub use serve::{Event, Milestone, Options, TlsOptions, serve};
pub use socket::SocketError;
pub use worker::{Handle, Unanswered};
