//! Everything that touches the kernel: loaded programs, their time and their memory.

mod awake;
pub mod clock;
mod counters;
mod flood;
mod front;
mod link;
mod memory;
mod nft;
mod object;
mod prefixes;
mod shaper;
mod stormbolt;
mod xdp_filter;

pub use awake::Awake;
pub use aya::programs::ProgramFd;
pub use counters::Counters;
pub use flood::Flood;
pub use front::{Flows, Front};
pub use link::{DropAll, Link, Received};
pub use nft::{Nft, NftMatch};
pub use prefixes::KernelPrefixes;
pub use shaper::Shaper;
pub use stormbolt::{CLASSIFYING_PROGRAM, Loaded, Packets, WHOLE_PROGRAM};
pub use xdp_filter::XdpFilter;
