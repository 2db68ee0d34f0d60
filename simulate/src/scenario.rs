//! What is simulated.

use stormbolt_control::policy::Policy;
use stormbolt_control::units::BitsPerSecond;

use crate::demand::Demand;

/// Samples of demand in one interval of the controller.
pub const SAMPLES_PER_INTERVAL: usize = 10;

/// A policy and what its classes offer. Only the first interface is simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called in files and on the command line.
    pub name: String,
    /// What it shows, in a few words.
    pub title: String,
    /// Under which policy.
    pub policy: Policy,
    /// What is offered.
    pub demand: Demand,
}

impl Scenario {
    /// What the link carries.
    pub fn capacity(&self) -> BitsPerSecond {
        let first = self.policy.interfaces.first();
        first.map_or(BitsPerSecond::ZERO, |interface| interface.capacity)
    }

    /// Length of a sample, in ns.
    pub fn sample_ns(&self) -> u64 {
        let samples = u64::try_from(SAMPLES_PER_INTERVAL).unwrap_or(u64::MAX);
        (self.policy.interval.0 / samples).max(1)
    }
}
