//! The bytes that cross kernel and user space, each defined once.
//!
//! Everything here is `repr(C)`, has its padding written out and its size asserted, because the
//! XDP program and the controller are compiled for different targets and must agree to the byte.
//! All integers are in host byte order unless a field says otherwise.
#![no_std]
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod bench;
pub mod classifier;
pub mod counters;
pub mod dropped;
pub mod explain;
pub mod flow_cache;
pub mod follow;
pub mod generator;
pub mod limits;
pub mod outcome;
#[cfg(feature = "user")]
mod pod;
pub mod police;
pub mod policy;
pub mod programs;
pub mod sample;
pub mod source;
pub mod steer;

/// Version of the layout of every map.
///
/// It is raised whenever a type in this crate, a map or the meaning of a value changes, so that a
/// daemon never adopts maps that it would misread.
pub const LAYOUT_VERSION: u32 = 14;

/// An IP address as 128 bits in network order; IPv4 as `::ffff:a.b.c.d` (RFC 4291 section
/// 2.5.5.2), so that both families share every table.
pub type Address = [u8; 16];

/// Writes an IPv4 address in the form that all tables use.
#[inline(always)]
pub const fn ipv4_mapped(octets: [u8; 4]) -> Address {
    let [a, b, c, d] = octets;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}
