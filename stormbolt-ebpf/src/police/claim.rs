//! What a packet says for itself when its class's rate does not cover it.

use stormbolt_common::classifier::{NOT_TCP, lane};

use super::Claim;
use crate::packet::Frame;
use crate::rewrite::is_ecn_capable;
use crate::steer::{Flow, flow_hash};
use crate::tables::{Rules, Tables};

const IPV4_VERSION: u8 = 4;
const IPV6_HEADER: u32 = 40;
/// No IP header begins beyond two VLAN tags, and no transport header beyond what extension headers can take.
/// The verifier, which does not know what stands in the lanes, needs to see the bounds.
const NETWORK_OFFSETS: u32 = 0x1f;
const TRANSPORT_OFFSETS: u32 = 0x7fff;
/// Where the sequence number stands in a TCP header, and where its own length does.
const SEQUENCE: usize = 4;
const DATA_OFFSET: usize = 12;

/// The claim of the packet in the lanes.
#[inline(always)]
pub fn of<F: Frame + ?Sized, T: Tables>(frame: &F, tables: &T) -> Claim {
    let network = network_offset(tables);
    let is_capable = is_ecn_capable(frame, network);
    let other = Claim {
        is_capable,
        ..Claim::NOTHING
    };
    if tables.lane(lane::TCP_FLAGS) == NOT_TCP {
        return other;
    }
    let transport =
        usize::try_from(tables.lane(lane::OFFSETS) >> 16 & TRANSPORT_OFFSETS).unwrap_or(0);
    let Some(sequence) = frame.bytes_at::<4>(transport + SEQUENCE) else {
        return other;
    };
    Claim {
        // Never zero; the lowest bit is as good as any.
        flow: flow_hash(&Flow::in_lanes(tables), tables.hash_seed()) | 1,
        sequence: u32::from_be_bytes(sequence),
        is_bare: is_bare(frame, network, transport),
        is_capable,
    }
}

/// Where the IP header of the packet in the lanes begins.
#[inline(always)]
pub fn network_offset<R: Rules>(rules: &R) -> usize {
    usize::try_from(rules.lane(lane::OFFSETS) & NETWORK_OFFSETS).unwrap_or(0)
}

/// Whether nothing follows the TCP header at `transport` in its IP packet.
#[inline(always)]
fn is_bare<F: Frame + ?Sized>(frame: &F, network: usize, transport: usize) -> bool {
    let (Some([version, _, v4_high, v4_low, v6_high, v6_low]), Some([words])) = (
        frame.bytes_at::<6>(network),
        frame.bytes_at::<1>(transport + DATA_OFFSET),
    ) else {
        return false;
    };
    let length = if version >> 4 == IPV4_VERSION {
        u32::from(u16::from_be_bytes([v4_high, v4_low]))
    } else {
        u32::from(u16::from_be_bytes([v6_high, v6_low])) + IPV6_HEADER
    };
    let before = u32::try_from(transport - network).unwrap_or(0);
    before + u32::from(words >> 4) * 4 == length
}
