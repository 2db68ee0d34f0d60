//! The header values that rules look at, laid out for the trees.

use stormbolt_common::classifier::{MAX_LENGTH, NO_PORT, lane};
use stormbolt_common::flow_cache::FlowWords;

use super::Arrival;
use crate::parse::{AddressWords, HeaderValues, IPV4_MARK};
use crate::tables::Rules;

/// Fills in the lanes of a packet; it is in no sets yet.
#[inline(always)]
#[expect(clippy::as_conversions, reason = "the discriminant is the value")]
pub fn fill<R: Rules>(rules: &mut R, headers: &HeaderValues, arrival: Arrival) {
    fill_address(rules, lane::SOURCE, headers.source);
    fill_address(rules, lane::DESTINATION, headers.destination);
    let source_port = at_most(headers.source_port, NO_PORT - 1);
    let destination_port = at_most(headers.destination_port, NO_PORT - 1);
    // The only bit of the number that no port has.
    let no_ports = headers.source_port >> 16;
    let length = at_most(arrival.length, MAX_LENGTH);
    rules.set_lane(lane::SOURCE_PORT, source_port);
    rules.set_lane(lane::DESTINATION_PORT, destination_port);
    rules.set_lane(lane::NO_PORTS, no_ports);
    rules.set_lane(lane::PROTOCOL, u32::from(headers.protocol));
    rules.set_lane(lane::SOURCE_SETS, 0);
    rules.set_lane(lane::DESTINATION_SETS, 0);
    rules.set_lane(lane::DSCP, u32::from(headers.dscp));
    rules.set_lane(lane::VLAN, headers.vlan);
    rules.set_lane(lane::TCP_FLAGS, headers.tcp_flags);
    rules.set_lane(lane::FRAGMENT, headers.fragment as u32);
    rules.set_lane(lane::ICMP_TYPE, headers.icmp_type);
    rules.set_lane(lane::LENGTH, length);
    rules.set_lane(lane::INTERFACE, arrival.interface);
    rules.set_lane(lane::FRAME_BYTES, arrival.length);
    rules.set_lane(lane::FLOW_PLACE, 0);
    rules.set_lane(lane::OFFSETS, headers.offsets);
    let at = |value: u32, shift: u32| u64::from(value) << shift;
    rules.set_flow_words(FlowWords {
        ports: at(destination_port, 0)
            | at(source_port, 16)
            | at(length, 32)
            | at(arrival.interface, 46)
            | at(headers.icmp_type, 54)
            | at(no_ports, 63),
        rest: at(u32::from(headers.protocol), 0)
            | at(u32::from(headers.dscp), 8)
            | at(headers.vlan, 14)
            | at(headers.tcp_flags, 27)
            | at(headers.fragment as u32, 36),
    });
}

/// Whether the packet in the lanes is IPv4.
#[inline(always)]
pub(crate) fn is_ipv4<R: Rules>(rules: &R) -> bool {
    let high = rules.lane(lane::SOURCE) | rules.lane(lane::SOURCE + 1);
    high == 0 && rules.lane(lane::SOURCE + 2) == IPV4_MARK
}

#[inline(always)]
fn fill_address<R: Rules>(rules: &mut R, first: u32, [a, b, c, d]: AddressWords) {
    rules.set_lane(first, a);
    rules.set_lane(first + 1, b);
    rules.set_lane(first + 2, c);
    rules.set_lane(first + 3, d);
}

/// The lower of the two.
#[inline(always)]
const fn at_most(value: u32, limit: u32) -> u32 {
    if value < limit { value } else { limit }
}

const _: () = assert!(NO_PORT == 1 << 16);
