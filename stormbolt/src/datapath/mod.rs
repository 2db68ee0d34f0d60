//! The data path in the kernel: loading, attaching, and every access to its maps.
//!
//! The only folder that imports aya. What it hands out are plain numbers and the types of
//! `stormbolt-common`.

mod attach;
mod blocks;
mod bpffs;
mod cpus;
mod device;
mod error;
mod explain;
mod flood;
mod follow;
mod foreign;
mod gauges;
mod handover;
mod inspect;
mod install;
mod lasting;
mod load;
mod mapped;
mod maps;
mod object;
mod pins;
mod read;
mod record;
mod samples;
mod sources;
mod template;
mod test_run;
mod tick;

pub use attach::{AttachedMode, Attachment};
pub use bpffs::PinError;
pub use cpus::possible_cpus;
pub use error::DatapathError;
pub use explain::EXPLAINED_FRAME_BYTES;
pub use flood::{Flood, FloodFrames, FloodReport};
pub use follow::{Follower, FollowerError};
pub use foreign::survey;
pub use gauges::Taken;
pub use inspect::{DeviceSeen, PinsSeen, Trial, devices};
pub use install::PolicyTables;
pub use lasting::{LeftOutcomes, NumberedRule};
pub use load::{DEFAULT_FLOWS, Datapath, TableSizes};
pub use object::SOURCE_SHA256;
pub use pins::{Pins, Removed};
pub use read::AheadPackets;
pub use record::Record;
pub use samples::Samples;
pub use sources::DEFAULT_SOURCES;
pub use test_run::{TestRunner, TestVerdict};
