//! What the daemon has read, as plain numbers: the controller's only view of the world.

use crate::units::Nanoseconds;

/// Everything that was read at one moment. Counters are sums over all CPUs since the program was
/// loaded; differences between two observations are taken with wrapping arithmetic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// When it was read, on a clock that never steps.
    pub now: Nanoseconds,
    /// `cells[interface][class]`, in the order of the policy.
    pub cells: Vec<Vec<CellCounters>>,
    /// Packets of each slot, `slot_packets[cpu_set][slot]`, in the order of
    /// [`crate::controller::Controller::cpu_sets`].
    pub slot_packets: Vec<Vec<u64>>,
}

/// What has happened to one class on one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellCounters {
    /// Packets within the rate.
    pub passed_packets: u64,
    /// Bytes within the rate.
    pub passed_bytes: u64,
    /// Packets over the rate.
    pub dropped_packets: u64,
    /// Bytes over the rate.
    pub dropped_bytes: u64,
}
