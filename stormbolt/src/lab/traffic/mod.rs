//! Real senders and receivers on threads, each in its namespace.
//!
//! Every kind of traffic is a value: it starts when made, tells live counters while it runs, and
//! stops, with its threads joined and its sockets closed, when it is dropped. A thread notices the
//! stop within about 50 ms.

mod pacer;
mod sockets;
mod tally;
mod tcp_requests;
mod tcp_streams;
mod udp_receiver;
mod udp_requests;
mod udp_sender;
mod workers;

pub use pacer::Pace;
pub use tally::{RequestSnapshot, RequestTotals};
pub use tcp_requests::{TcpRequestOptions, TcpRequests};
pub use tcp_streams::{StreamBytes, TcpStreamOptions, TcpStreams};
pub use udp_receiver::{PortCounters, UdpReceiver};
pub use udp_requests::{PhaseEnd, UdpRequestOptions, UdpRequests};
pub use udp_sender::{UdpSender, UdpSenderOptions, UdpSenderTotals, packets_per_second};

/// Bytes that Ethernet, IPv4 and UDP headers add to a payload at layer 2, without FCS.
pub const UDP_OVERHEAD_BYTES: u64 = 14 + 20 + 8;
