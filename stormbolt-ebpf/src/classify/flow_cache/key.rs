//! What a flow is known by: everything that the rules of the policy look at.

use stormbolt_common::classifier::lane;
use stormbolt_common::flow_cache::{FlowMask, FlowWords};

use super::super::key::is_ipv4;
use super::super::word::high;
use crate::tables::Rules;

/// The words of a packet's key, as [`stormbolt_common::flow_cache`] has them.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) is_ipv4: bool,
    /// IPv4: both in the first word. IPv6: the halves of the source, then of the destination.
    pub(super) addresses: [u64; 4],
    pub(super) ports: u64,
    pub(super) rest: u64,
}

impl Key {
    /// The key of the packet in the lanes.
    #[inline(always)]
    pub(super) fn in_lanes<R: Rules>(rules: &R, mask: &FlowMask) -> Self {
        let at = |lane: u32, shift: u32| u64::from(rules.lane(lane)) << shift;
        let half = |upper: u32, lower: u32| at(upper, 32) | at(lower, 0);
        let (source, destination) = (lane::SOURCE, lane::DESTINATION);
        let is_ipv4 = is_ipv4(rules);
        let addresses = if is_ipv4 {
            [half(destination + 3, source + 3) & mask.ipv4, 0, 0, 0]
        } else {
            [
                half(source, source + 1) & mask.source,
                half(source + 2, source + 3) & mask.source,
                half(destination, destination + 1) & mask.destination,
                half(destination + 2, destination + 3) & mask.destination,
            ]
        };
        let FlowWords { ports, rest } = rules.flow_words();
        Self {
            is_ipv4,
            addresses,
            ports: ports & mask.ports,
            rest: rest & mask.rest,
        }
    }

    /// A hash, mixed well in all bits. It need not be better: keys are compared whole.
    #[inline(always)]
    pub(super) fn hash(&self, seed: u64) -> u32 {
        // Odd numbers with as many ones as zeros in no order.
        const A: u64 = 0xa076_1d64_78bd_642f;
        const B: u64 = 0xe703_7ed1_a0b4_28db;
        const C: u64 = 0x8ebc_6af0_9c88_c6e3;
        let [a, b, c, d] = self.addresses;
        // Two chains, so that a processor multiplies both at once.
        let mut left = (a ^ seed).wrapping_mul(A);
        let mut right = (self.ports ^ seed.rotate_left(32)).wrapping_mul(B);
        right = (right ^ right >> 32 ^ self.rest).wrapping_mul(A);
        if !self.is_ipv4 {
            left = (left ^ left >> 32 ^ b).wrapping_mul(C);
            right = (right ^ right >> 32 ^ c).wrapping_mul(C);
            left = (left ^ left >> 32 ^ d).wrapping_mul(B);
        }
        high(
            (left ^ left >> 32)
                .wrapping_add(right ^ right >> 32)
                .wrapping_mul(C),
        )
    }
}
