//! A network on one machine: namespaces, veth pairs and real traffic through sockets.
//!
//! The demo and the end-to-end tests are built on it. It calls no external program, and what it
//! makes lives only as long as the process: namespaces have no name in the file system, so the
//! kernel removes them with their links once the last descriptor is closed, also after a kill.
//! Nothing here can send a frame out of the namespaces that it made.

mod bottleneck;
pub mod clock;
mod error;
mod ethtool;
mod link;
mod link_changes;
mod namespace;
mod napi;
mod netlink;
mod priority;
mod root;
mod spawn;
pub mod traffic;
mod wakeful;

pub use error::LabError;
pub use ethtool::Offload;
pub use link::{Interface, InterfaceCounters, MacAddress, VethOptions, connect, veth};
pub use namespace::Namespace;
pub use priority::{go_first, keep_to, prefer, run_at_once, run_when_idle};
pub use root::require_root;
pub use spawn::spawn_for_process_lifetime;
pub use wakeful::Wakeful;

#[cfg(test)]
mod tests;
