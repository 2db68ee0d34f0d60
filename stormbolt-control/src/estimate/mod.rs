//! Estimate: what classes want and how busy slots are, from what was counted.

mod cells;
mod estimator;
mod slots;
mod smoothing;

pub use cells::ClassEstimate;
pub use estimator::{Estimator, Origins};
