//! What the benchmarks' programs and their harness share.
//!
//! A header is kept as the 32-bit words that go into the frame, in network order, so that the
//! program in front of the measured one only copies. Words as wide as those that a parser reads: a
//! processor waits where a read spans what was written in parts. It is as short as it can be, since it takes
//! room in the caches that the measured program wants for its own tables.

/// Headers in the table, taken in turn; a power of two.
pub const BENCH_HEADERS: u32 = 16_384;

/// Source, destination, ports or ICMP type, protocol in the first byte.
pub type HeaderV4 = [u32; 4];
/// Source (4 words), destination (4), ports or ICMP type, protocol in the first byte.
pub type HeaderV6 = [u32; 10];

/// Length of every IPv4 frame in bytes: Ethernet, 20 bytes of IPv4 and 30 that any transport header
/// fits in.
pub const FRAME_BYTES_V4: usize = 64;
/// Length of every IPv6 frame in bytes: Ethernet, 40 bytes of IPv6 and 30 as above.
pub const FRAME_BYTES_V6: usize = 84;

/// Where the IP header begins in the frame.
pub const IP_OFFSET: usize = 14;
/// Where the protocol stands in an IPv4 frame.
pub const PROTOCOL_OFFSET_V4: usize = IP_OFFSET + 9;
/// Where the source address stands in an IPv4 frame; destination and ports follow.
pub const SOURCE_OFFSET_V4: usize = IP_OFFSET + 12;
/// Where the protocol stands in an IPv6 frame.
pub const PROTOCOL_OFFSET_V6: usize = IP_OFFSET + 6;
/// Where the source address stands in an IPv6 frame; destination and ports follow.
pub const SOURCE_OFFSET_V6: usize = IP_OFFSET + 8;

const _: () = assert!(BENCH_HEADERS.is_power_of_two());
const _: () = assert!(size_of::<HeaderV4>() == 16 && size_of::<HeaderV6>() == 40);
