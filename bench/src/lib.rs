//! Benchmarks of StormBolt's data path and of its peers, in one run and in turn.
//!
//! Machines differ and are shared, so no figure here means much by itself: what is compared is
//! measured side by side, in rounds, and the median of the rounds is reported. How to read the
//! output is in `docs/benchmarks.md`.

mod classify;
pub mod frames;
pub mod harness;
mod peers;
mod pipeline;
mod policies;
mod rate;
mod real_frames;
pub mod report;
mod rest;
mod rounds;
mod run;
mod sources;
pub mod stats;
mod tick;

pub use classify::CLASSIFY;
pub use pipeline::PIPELINE;
pub use rate::RATE;
pub use rest::{REST, run_as_daemon};
pub use run::{Benchmark, Options};
pub use tick::TICK;
