//! What a policy's rules mean, read straight from them: one after the other, field by field.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_common::Address;
use stormbolt_common::classifier::{Fragment, MAX_LENGTH};
use stormbolt_control::policy::{Accepts, Addresses, FragmentMatch, Range, RuleMatch, Set};
use stormbolt_ebpf::classify::Arrival;
use stormbolt_ebpf::parse::Headers;

use crate::policies::RuleList;

/// Position of the first rule that matches; `interfaces[i]` is the number of the policy's
/// interface `i`.
pub fn first_match(
    list: &RuleList,
    interfaces: &[u32],
    headers: &Headers,
    arrival: Arrival,
) -> Option<usize> {
    list.rules
        .iter()
        .position(|rule| matches(&rule.matches, &list.sets, interfaces, headers, arrival))
}

fn matches(
    rule: &RuleMatch,
    sets: &[Arc<Set>],
    interfaces: &[u32],
    headers: &Headers,
    arrival: Arrival,
) -> bool {
    let ports = headers.ports;
    let length = u16::try_from(arrival.length.min(MAX_LENGTH)).ok();
    has_address(rule.source.as_ref(), sets, &headers.source)
        && has_address(rule.destination.as_ref(), sets, &headers.destination)
        && in_range(rule.source_port.as_ref(), ports.map(|ports| ports.source))
        && in_range(
            rule.destination_port.as_ref(),
            ports.map(|ports| ports.destination),
        )
        && accepts(rule.protocol.as_ref(), |protocol| {
            *protocol == headers.protocol
        })
        && in_range(rule.dscp.as_ref(), Some(headers.dscp))
        && in_range(rule.vlan.as_ref(), headers.vlan)
        && rule.tcp_flags.is_none_or(|wanted| {
            headers
                .tcp_flags
                .is_some_and(|flags| (flags & wanted.mask == wanted.set) != wanted.negated)
        })
        && accepts(rule.fragment.as_ref(), |wanted| {
            is_wanted(*wanted, headers.fragment)
        })
        && in_range(rule.icmp_type.as_ref(), headers.icmp_type)
        && in_range(rule.length.as_ref(), length)
        && accepts(rule.interface.as_ref(), |position| {
            interfaces[*position] == arrival.interface
        })
}

/// Whether any entry of the list has the packet's value, or none if it is negated; a field that is
/// not given accepts.
fn accepts<T>(field: Option<&Accepts<T>>, has: impl Fn(&T) -> bool) -> bool {
    field.is_none_or(|field| field.any_of.iter().any(has) != field.negated)
}

/// Whether the field accepts the value; what has no value is accepted by no list, negated or not.
fn in_range<T: PartialOrd>(field: Option<&Accepts<Range<T>>>, value: Option<T>) -> bool {
    match value {
        Some(value) => accepts(field, |range| range.contains(&value)),
        None => field.is_none(),
    }
}

/// Whether any prefix, listed or in a set, has the address, or none if the field is negated.
fn has_address(field: Option<&Addresses>, sets: &[Arc<Set>], address: &Address) -> bool {
    field.is_none_or(|field| {
        let is_listed = field.prefixes.iter().any(|net| contains(*net, address));
        let in_set = field.sets.iter().any(|position| {
            let set = &sets[*position];
            set.prefixes.iter().any(|net| contains(*net, address))
        });
        (is_listed || in_set) != field.negated
    })
}

fn is_wanted(wanted: FragmentMatch, fragment: Fragment) -> bool {
    match wanted {
        FragmentMatch::No => fragment == Fragment::Whole,
        FragmentMatch::First => fragment == Fragment::First,
        FragmentMatch::Later => fragment == Fragment::Later,
        FragmentMatch::Any => fragment != Fragment::Whole,
    }
}

/// Whether `net` has the address: IPv4 prefixes have IPv4 addresses only, and IPv6 prefixes all
/// others. The form in which IPv4 is written inside of IPv6, `::ffff:0:0/96`, is IPv4.
fn contains(net: IpNet, address: &Address) -> bool {
    let address = Ipv6Addr::from(*address);
    match (net, address.to_ipv4_mapped()) {
        (IpNet::V4(net), Some(address)) => net.contains(&address),
        (IpNet::V4(_), None) => false,
        (IpNet::V6(net), None) => net.contains(&address),
        (IpNet::V6(net), Some(_)) => {
            let is_mapped = net.prefix_len() >= 96 && net.addr().to_ipv4_mapped().is_some();
            is_mapped && IpNet::V6(net).contains(&IpAddr::V6(address))
        }
    }
}
