//! Traffic classes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{PerSource, Treatment};
use crate::units::{BitsPerSecond, Nanoseconds};

/// A traffic class. Rates hold per interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name, unique in the policy.
    pub name: String,
    /// 0 is served first, 7 last.
    pub priority: u8,
    /// Guaranteed rate; zero for none.
    pub rate: BitsPerSecond,
    /// Highest rate; `None`: the interface's capacity.
    pub ceil: Option<BitsPerSecond>,
    /// The group that it is in, by position; `None`: it stands by itself.
    pub group: Option<usize>,
    /// Depth of the bucket, as time at the rate in force.
    pub burst: Nanoseconds,
    /// Share among classes of one priority, 1 to 1000.
    pub weight: u32,
    /// CPUs that the class's flows are spread over; `None`: packets stay where they arrive.
    pub cpus: Option<CpuSet>,
    /// What each source may have of it; `None`: any source may have all.
    pub per_source: Option<PerSource>,
    /// What it does with its packets.
    pub treatment: Treatment,
}

/// A non-empty set of CPU numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuSet(pub BTreeSet<u32>);
