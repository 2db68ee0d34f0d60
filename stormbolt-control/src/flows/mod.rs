//! What sampled packets tell of flows: who sends most, and how long round trips take.

mod pace;
mod round_trips;
mod talkers;

pub use pace::{Observed, Pace};
pub use round_trips::{RoundTrips, Segment, Timestamps, flag};
pub use talkers::{Part, RoundTrip, Talker, Talkers};

use stormbolt_common::Address;

/// A flow, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Number of the interface that it arrives on (`ifindex`).
    pub ifindex: u32,
    /// Who sends.
    pub source: Address,
    /// To whom.
    pub destination: Address,
    /// IP protocol number.
    pub protocol: u8,
    /// Ports of source and destination; `None` for protocols without and for later fragments.
    pub ports: Option<(u16, u16)>,
}

impl Flow {
    /// Who talks to whom, whichever interface it comes by.
    const fn ends(&self) -> Ends {
        let (source_port, destination_port) = match self.ports {
            Some(ports) => ports,
            None => (0, 0),
        };
        Ends {
            source: (self.source, source_port),
            destination: (self.destination, destination_port),
        }
    }
}

/// The ends of a TCP connection, seen from one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Ends {
    source: (Address, u16),
    destination: (Address, u16),
}

impl Ends {
    /// The same connection, seen from the other end.
    const fn turned(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
        }
    }
}
