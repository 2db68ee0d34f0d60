//! Estimate: what classes want and how busy slots and links are, from what was counted.

mod cells;
mod echoes;
mod estimator;
mod link;
mod slots;
mod smoothing;

pub(crate) use smoothing::approach;

pub use cells::ClassEstimate;
pub use echoes::{EchoStatus, Echoes};
pub use estimator::{Arrivals, Estimator, Origins};
pub use link::{LinkEstimate, LinkEstimator};
