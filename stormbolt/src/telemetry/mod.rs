//! What the daemon tells about itself and the traffic: metrics and events.
//!
//! Nothing here asks the data path: documents and counts go in, text and events come out.

pub mod documents;
mod journal;
mod lookout;
mod metrics;
mod round_trips;
mod run;
mod snapshot;

#[cfg(test)]
mod docs_tests;
#[cfg(test)]
pub(crate) mod samples;

pub use journal::{Journal, Kind, Severity};
pub(crate) use lookout::Lookout;
pub use metrics::{CONTENT_TYPE, Described, catalogue, openmetrics};
pub use round_trips::RoundTripTimes;
pub use run::RunCounts;
pub use snapshot::{Counted, DEFAULT_SERIES_LIMIT, MAX_SERIES_LIMIT, RuleCount, Snapshot};
