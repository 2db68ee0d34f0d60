//! Interfaces under management.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::units::{BitsPerSecond, Nanoseconds};

/// Addresses that one interface may probe.
pub const MAX_PROBES: usize = 8;

/// A network interface whose arriving traffic is managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name, `eth0`.
    pub name: String,
    /// What the link carries at most, shared out among the classes; where it follows the link, what it
    /// starts with.
    pub capacity: BitsPerSecond,
    /// How the program is attached.
    pub mode: AttachMode,
    /// Bytes by which each packet is longer on the link than its frame is here, -64 to 127.
    pub overhead: i8,
    /// How the capacity follows a link whose rate is not known; `None`: it stays as it is.
    pub adaptive: Option<Adaptive>,
    /// Where the XDP program of somebody else is pinned that goes on with what passes, an absolute path; `None`: none does.
    pub then: Option<String>,
}

impl Interface {
    /// What the classes may count on.
    pub fn least_capacity(&self) -> BitsPerSecond {
        let adaptive = self.adaptive.as_ref();
        adaptive.map_or(self.capacity, |adaptive| adaptive.min)
    }

    /// What it may come to.
    pub fn largest_capacity(&self) -> BitsPerSecond {
        let adaptive = self.adaptive.as_ref();
        adaptive.map_or(self.capacity, |adaptive| adaptive.max)
    }
}

/// Between what bounds a capacity follows its link, and by what signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptive {
    /// The lowest capacity, at most that of the interface.
    pub min: BitsPerSecond,
    /// The highest capacity, at least that of the interface.
    pub max: BitsPerSecond,
    /// What answers echo requests from beyond the bottleneck; all different, at most [`MAX_PROBES`].
    pub probes: Vec<IpAddr>,
    /// How often each of them is asked.
    pub probe_interval: Nanoseconds,
    /// How much longer than without a queue answers may take.
    pub delay_target: Nanoseconds,
}

/// Where in the receive path the program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// In the driver where it can, else in the stack, and says so.
    #[default]
    Auto,
    /// In the driver or not at all.
    Native,
    /// In the stack, after the kernel has built its packet buffer: works everywhere, slower.
    Generic,
}
