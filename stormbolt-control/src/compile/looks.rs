//! What of packets the rules look at, for the key that flows are remembered by.

use stormbolt_common::classifier::lane;
use stormbolt_common::flow_cache::FlowMask;

use super::fields::{ByField, FIELDS, Fields, field};
use super::intervals::{Interval, Intervals};
use super::side::Side;

/// The header values that any rule looks at, or has looked at since all were compiled anew.
#[derive(Default)]
pub(super) struct Looks {
    fields: [bool; FIELDS],
    source: bool,
    destination: bool,
}

impl Looks {
    /// Takes note of a rule's fields, where `domains` is all that they can be.
    pub(super) fn add_fields(&mut self, fields: &Fields, domains: &ByField<Interval>) {
        let accepted = fields.accepted.iter().zip(domains);
        for (looks, (accepted, all)) in self.fields.iter_mut().zip(accepted) {
            *looks |= *accepted != Intervals::any_of([(all.first, all.last)]);
        }
    }

    /// Takes note of how a rule looks at source and destination.
    pub(super) fn add_sides(&mut self, [source, destination]: [Side; 2]) {
        self.source |= source != Side::Any;
        self.destination |= destination != Side::Any;
    }

    /// The bits of a packet's key that count.
    pub(super) fn mask(&self) -> FlowMask {
        let looks = |lane: u32| self.fields.get(field(lane)).copied().unwrap_or(true);
        // `bits` bits from bit `shift` on, if the rules look at the lane.
        let bits = |lane: u32, shift: u32, bits: u32| {
            if looks(lane) {
                ((1_u64 << bits) - 1) << shift
            } else {
                0
            }
        };
        let all = |looks: bool| if looks { u64::MAX } else { 0 };
        let (source, destination) = (all(self.source), all(self.destination));
        FlowMask {
            ipv4: source >> 32 | destination << 32,
            source,
            destination,
            ports: bits(lane::DESTINATION_PORT, 0, 16)
                | bits(lane::SOURCE_PORT, 16, 16)
                | bits(lane::LENGTH, 32, 14)
                | bits(lane::INTERFACE, 46, 8)
                | bits(lane::ICMP_TYPE, 54, 9)
                | bits(lane::DESTINATION_PORT, 63, 1)
                | bits(lane::SOURCE_PORT, 63, 1),
            rest: bits(lane::PROTOCOL, 0, 8)
                | bits(lane::DSCP, 8, 6)
                | bits(lane::VLAN, 14, 13)
                | bits(lane::TCP_FLAGS, 27, 9)
                | bits(lane::FRAGMENT, 36, 2),
            seed: 0,
            window: 0,
        }
    }
}
