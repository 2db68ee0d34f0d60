//! Builders of frames, right ones and wrong ones.
//!
//! Every length and version can be set to a lie, so the bytes are laid out here and not by a
//! library that would refuse to. Checksums are zero: no stage looks at them.

mod ipv4;
mod ipv6;
mod link;
mod transport;

pub use ipv4::{DONT_FRAGMENT, Ipv4, MORE_FRAGMENTS};
pub use ipv6::{Extension, Ipv6};
pub use link::{
    ARP, CUSTOMER_TAG, IPV4, IPV6, LLDP, SERVICE_TAG, cut, ethernet, padded, tag, tagged,
};
pub use transport::{ACK, FIN, RST, SYN, icmp, sctp, tcp, tcp_with_words, udp, udp_of_length};
