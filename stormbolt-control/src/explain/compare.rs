//! One packet against rules, field by field.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use stormbolt_common::classifier::{Fragment, MAX_LENGTH};

use super::field::{Field, Fields};
use super::packet::Packet;
use crate::policy::{Accepts, Addresses, FragmentMatch, Range, RuleMatch, Set};

/// Bits that an IPv4 prefix gains when it is written as IPv6, `::ffff:a.b.c.d`.
const MAPPED_BITS: u8 = 96;

/// A packet that is compared with rules.
///
/// Whether an address is in a set is found out once per set: sets have up to a million prefixes, and
/// any number of rules refers to the same one.
pub struct Comparison<'p> {
    packet: &'p Packet,
    sets: &'p [Arc<Set>],
    source_in: Vec<OnceCell<bool>>,
    destination_in: Vec<OnceCell<bool>>,
}

impl<'p> Comparison<'p> {
    /// Compares `packet` with rules that refer to `sets` by position.
    pub fn new(packet: &'p Packet, sets: &'p [Arc<Set>]) -> Self {
        Self {
            packet,
            sets,
            source_in: vec![OnceCell::new(); sets.len()],
            destination_in: vec![OnceCell::new(); sets.len()],
        }
    }

    /// The fields of a rule that do not accept the packet; none: the rule matches it.
    pub fn failing(&self, rule: &RuleMatch) -> Fields {
        let packet = self.packet;
        let length = u16::try_from(packet.length.min(MAX_LENGTH)).ok();
        let has_source = self.has(rule.source.as_ref(), packet.source, &self.source_in);
        let has_destination = self.has(
            rule.destination.as_ref(),
            packet.destination,
            &self.destination_in,
        );
        let flags = rule.tcp_flags.is_none_or(|wanted| {
            let as_given = |flags: u8| (flags & wanted.mask == wanted.set) != wanted.negated;
            packet.tcp_flags.is_some_and(as_given)
        });
        let fragment = listed(rule.fragment.as_ref(), |wanted| {
            is_at(*wanted, packet.fragment)
        });
        let accepted = [
            (Field::Source, has_source),
            (Field::Destination, has_destination),
            (
                Field::Protocol,
                listed(rule.protocol.as_ref(), |one| *one == packet.protocol),
            ),
            (
                Field::SourcePort,
                within(rule.source_port.as_ref(), packet.source_port),
            ),
            (
                Field::DestinationPort,
                within(rule.destination_port.as_ref(), packet.destination_port),
            ),
            (Field::Dscp, within(rule.dscp.as_ref(), Some(packet.dscp))),
            (Field::Vlan, within(rule.vlan.as_ref(), packet.vlan)),
            (Field::TcpFlags, flags),
            (Field::Fragment, fragment),
            (
                Field::IcmpType,
                within(rule.icmp_type.as_ref(), packet.icmp_type),
            ),
            (Field::Length, within(rule.length.as_ref(), length)),
            (
                Field::Interface,
                listed(rule.interface.as_ref(), |one| *one == packet.interface),
            ),
        ];
        accepted
            .into_iter()
            .fold(Fields::NONE, |fields, (field, accepts)| {
                fields.with(field, !accepts)
            })
    }

    fn has(&self, wanted: Option<&Addresses>, address: IpAddr, known: &[OnceCell<bool>]) -> bool {
        let Some(wanted) = wanted else {
            return true;
        };
        let in_set = |position: &usize| {
            let (Some(set), Some(known)) = (self.sets.get(*position), known.get(*position)) else {
                return false;
            };
            *known.get_or_init(|| is_in(set, address))
        };
        let is_listed = wanted.prefixes.iter().any(|one| contains(*one, address))
            || wanted.sets.iter().any(in_set);
        is_listed != wanted.negated
    }
}

/// Whether the list has the value, or not if it is negated; a field that is not given accepts all.
fn listed<T>(field: Option<&Accepts<T>>, has: impl Fn(&T) -> bool) -> bool {
    field.is_none_or(|field| field.any_of.iter().any(has) != field.negated)
}

/// Likewise for ranges; a packet that has no value is accepted only by a field that is not given.
fn within<T: PartialOrd>(field: Option<&Accepts<Range<T>>>, value: Option<T>) -> bool {
    match value {
        Some(value) => listed(field, |range| range.contains(&value)),
        None => field.is_none(),
    }
}

fn is_at(wanted: FragmentMatch, place: Fragment) -> bool {
    match wanted {
        FragmentMatch::No => place == Fragment::Whole,
        FragmentMatch::First => place == Fragment::First,
        FragmentMatch::Later => place == Fragment::Later,
        FragmentMatch::Any => place != Fragment::Whole,
    }
}

/// Whether one of the set's prefixes has the address: it is looked up at every length, since the
/// prefixes are in order.
fn is_in(set: &Set, address: IpAddr) -> bool {
    let is_there = |prefix: IpNet| set.prefixes.binary_search(&prefix).is_ok();
    match address {
        IpAddr::V4(address) => (0..=32).any(|length| {
            let prefix = Ipv4Net::new_assert(address, length).trunc();
            is_there(prefix.into()) || is_there(mapped(prefix.network(), length))
        }),
        IpAddr::V6(address) => {
            (0..=128).any(|length| is_there(Ipv6Net::new_assert(address, length).trunc().into()))
        }
    }
}

/// An IPv4 prefix in the form in which IPv6 writes it; rules may name it so.
fn mapped(network: Ipv4Addr, length: u8) -> IpNet {
    Ipv6Net::new_assert(network.to_ipv6_mapped(), MAPPED_BITS + length).into()
}

/// Whether the prefix has the address. `::ffff:a.b.c.d/96` and longer is IPv4; an IPv6 prefix that is
/// shorter has no IPv4 addresses.
fn contains(prefix: IpNet, address: IpAddr) -> bool {
    match (prefix, address) {
        (IpNet::V4(prefix), IpAddr::V4(address)) => prefix.contains(&address),
        (IpNet::V4(_), IpAddr::V6(_)) => false,
        (IpNet::V6(prefix), IpAddr::V6(address)) => prefix.contains(&address),
        (IpNet::V6(prefix), IpAddr::V4(address)) => {
            prefix.prefix_len() >= MAPPED_BITS && prefix.contains(&address.to_ipv6_mapped())
        }
    }
}
