//! Interfaces under management.

use serde::{Deserialize, Serialize};

use crate::units::BitsPerSecond;

/// A network interface whose arriving traffic is managed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name, `eth0`.
    pub name: String,
    /// What the link carries at most, shared out among the classes.
    pub capacity: BitsPerSecond,
    /// How the program is attached.
    pub mode: AttachMode,
    /// Bytes by which each packet is longer on the link than its frame is here, -64 to 127.
    pub overhead: i8,
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
