//! What a class does with its packets beside holding them to a rate.

use serde::{Deserialize, Serialize};

use crate::units::Nanoseconds;

/// A TCP sender whose segments are all lost waits this long before it sends one again: 200 ms (`TCP_RTO_MIN` of
/// Linux; RFC 6298 would have it wait a second), one jiffy for its variance and one until the timer runs. 205 to
/// 212 ms were seen.
const RETRANSMISSION_TIMEOUT: Nanoseconds = Nanoseconds::from_millis(220);

/// How packets of a class are treated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Treatment {
    /// Whether packets are marked instead of dropped, where their senders understand that (RFC 3168).
    pub ecn: bool,
    /// How far ahead of the rate TCP segments pass that come again because they were dropped; `None`: as
    /// far as makes up, with the burst, for a retransmission timeout.
    pub retransmit_ahead: Option<Nanoseconds>,
    /// The code point that packets leave with, 0 to 63 (RFC 2474); `None`: the one they came with.
    pub dscp: Option<u8>,
    /// Whether packets over the rate are counted as dropped, and pass.
    pub shadow: bool,
    /// Packets per second at most, at any length; `None`: as many as the rate carries.
    pub packet_rate: Option<u32>,
}

impl Default for Treatment {
    fn default() -> Self {
        Self {
            ecn: true,
            retransmit_ahead: None,
            dscp: None,
            shadow: false,
            packet_rate: None,
        }
    }
}

impl Treatment {
    /// How far ahead of the rate retransmissions pass, in a class with this burst.
    pub fn ahead(&self, burst: Nanoseconds) -> Nanoseconds {
        self.retransmit_ahead
            .unwrap_or(RETRANSMISSION_TIMEOUT.since(burst))
    }
}
