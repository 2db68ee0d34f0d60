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
    /// By interface, as far as anything is known; see [`LinkSignals`].
    pub links: Vec<LinkSignals>,
}

/// What an interface tells of its link beside the program's counters; of use where the capacity follows the
/// link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkSignals {
    /// Frames that the device had no room for, since it exists; `None`: it does not say.
    pub missed_frames: Option<u64>,
    /// What has come of echo requests since the last observation.
    pub echoes: Vec<Echo>,
}

/// What has come of one echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Position in [`crate::policy::Adaptive::probes`].
    pub probe: usize,
    /// Until its answer arrived; `None`: none has.
    pub round_trip: Option<Nanoseconds>,
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
