//! Chooses the CPU that goes on with a packet: flow hash → slot → CPU.

use stormbolt_common::steer::slot;

use crate::parse::Headers;
use crate::tables::Tables;

/// Where a packet goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steered {
    /// On the CPU that received it.
    InPlace,
    /// In the queue of another CPU.
    Redirected,
}

/// Steers a packet of a class with CPU set `cpu_set`, and adds it to its slot's load.
///
/// A packet whose slot belongs to the CPU that runs stays in place: passing it through that CPU's
/// own queue would cost a second softirq and gain nothing.
#[inline(always)]
pub fn steer<T: Tables>(tables: &mut T, cpu_set: u32, headers: &Headers) -> Steered {
    let slot = slot(cpu_set, flow_hash(headers, tables.hash_seed()));
    tables.count_slot(slot);
    match tables.cpu_of_slot(slot) {
        Some(cpu) if cpu != tables.this_cpu() && tables.redirect(cpu) => Steered::Redirected,
        _ => Steered::InPlace,
    }
}

/// A 32-bit hash of the flow whose upper bits are mixed best.
///
/// Multiply and fold, 64 bits of the flow at a time (the odd constants are those of `wyhash`).
/// Fragments hash by addresses and protocol alone, the first like the later ones, or a datagram
/// would be torn over two CPUs.
#[inline(always)]
pub fn flow_hash(headers: &Headers, seed: u64) -> u32 {
    let (source_high, source_low) = halves(&headers.source);
    let (destination_high, destination_low) = halves(&headers.destination);
    let ports = match headers.ports {
        Some(ports) if !headers.is_fragment() => {
            u64::from(ports.source) << 16 | u64::from(ports.destination)
        }
        _ => 0,
    };
    let mut hash = seed;
    for word in [
        source_high,
        source_low,
        destination_high,
        destination_low,
        ports << 8 | u64::from(headers.protocol),
    ] {
        hash = (hash ^ word).wrapping_mul(0xa076_1d64_78bd_642f);
        hash ^= hash >> 32;
    }
    let [a, b, c, d, ..] = hash.wrapping_mul(0xe703_7ed1_a0b4_28db).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The two halves of an address, in network order.
#[inline(always)]
#[expect(
    clippy::many_single_char_names,
    reason = "the bytes of an address, in order"
)]
const fn halves(address: &[u8; 16]) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
    (
        u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        u64::from_be_bytes([i, j, k, l, m, n, o, p]),
    )
}
