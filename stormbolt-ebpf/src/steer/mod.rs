//! Chooses the CPU that goes on with a packet: flow hash → slot → CPU.

use stormbolt_common::classifier::lane;
use stormbolt_common::steer::slot;

use crate::parse::Headers;
use crate::tables::{Rules, Tables};

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
pub fn steer<T: Tables>(tables: &mut T, cpu_set: u32) -> Steered {
    let flow = Flow::in_lanes(tables);
    let slot = slot(cpu_set, flow_hash(&flow, tables.hash_seed()));
    tables.count_slot(slot);
    match tables.cpu_of_slot(slot) {
        Some(cpu) if cpu != tables.this_cpu() && tables.redirect(cpu) => Steered::Redirected,
        _ => Steered::InPlace,
    }
}

/// What tells flows apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The halves of the source address, then those of the destination.
    addresses: [u64; 4],
    /// Ports and protocol. Fragments have the protocol alone, the first like the later ones, or a
    /// datagram would be torn over two CPUs.
    transport: u64,
}

impl Flow {
    /// The flow of a packet with these headers.
    pub fn of(headers: &Headers) -> Self {
        let half = |address: &[u8; 16], shift: u32| {
            let whole = u128::from_be_bytes(*address) >> shift;
            // The lower half always fits.
            u64::try_from(whole & u128::from(u64::MAX)).unwrap_or(0)
        };
        let ports = match headers.ports {
            Some(ports) if !headers.is_fragment() => {
                u64::from(ports.source) << 16 | u64::from(ports.destination)
            }
            _ => 0,
        };
        Self {
            addresses: [
                half(&headers.source, 64),
                half(&headers.source, 0),
                half(&headers.destination, 64),
                half(&headers.destination, 0),
            ],
            transport: ports << 8 | u64::from(headers.protocol),
        }
    }

    /// The flow of the packet in the lanes.
    #[inline(always)]
    pub(crate) fn in_lanes<R: Rules>(rules: &R) -> Self {
        let at = |lane: u32| u64::from(rules.lane(lane));
        let half = |lane: u32| at(lane) << 32 | at(lane + 1);
        let has_ports = at(lane::NO_PORTS) | at(lane::FRAGMENT) == 0;
        let ports = if has_ports {
            at(lane::SOURCE_PORT) << 16 | at(lane::DESTINATION_PORT)
        } else {
            0
        };
        Self {
            addresses: [
                half(lane::SOURCE),
                half(lane::SOURCE + 2),
                half(lane::DESTINATION),
                half(lane::DESTINATION + 2),
            ],
            transport: ports << 8 | at(lane::PROTOCOL),
        }
    }
}

/// A 32-bit hash of the flow whose upper bits are mixed best.
///
/// Multiply and fold, 64 bits of the flow at a time (the odd constants are those of `wyhash`).
#[inline(always)]
pub fn flow_hash(flow: &Flow, seed: u64) -> u32 {
    let mut hash = seed;
    for word in flow.addresses.into_iter().chain([flow.transport]) {
        hash = (hash ^ word).wrapping_mul(0xa076_1d64_78bd_642f);
        hash ^= hash >> 32;
    }
    let [a, b, c, d, ..] = hash.wrapping_mul(0xe703_7ed1_a0b4_28db).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}
