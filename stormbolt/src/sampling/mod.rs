//! What the daemon learns from packets that the data path shows: who sends most, how long round trips take, and
//! the packets themselves for those who capture.

mod board;
mod filter;
mod packet;
mod reader;

pub use board::{Board, Captured, SampleCounts, Sighting, Top};
pub use filter::Filter;
pub(crate) use filter::{address, outcome};
pub use packet::Packet;
pub(crate) use reader::Reader;

/// Flows that are told apart at a time.
pub(crate) const MAX_FLOWS: usize = 4_096;
/// Sources, likewise.
pub(crate) const MAX_SOURCES: usize = 4_096;
