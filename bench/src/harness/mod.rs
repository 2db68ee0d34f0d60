//! Everything that touches the kernel: loaded programs, their time and their memory.

pub mod clock;
mod front;
mod memory;
mod object;
mod prefixes;
mod stormbolt;
mod xdp_filter;

pub use aya::programs::ProgramFd;
pub use front::Front;
pub use prefixes::KernelPrefixes;
pub use stormbolt::Loaded;
pub use xdp_filter::XdpFilter;
