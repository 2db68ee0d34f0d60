//! What a policy's rules mean, read straight from them: one after the other, field by field.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use stormbolt_common::Address;
use stormbolt_common::classifier::{Fragment, MAX_LENGTH};
use stormbolt_control::policy::{FragmentMatch, Range, Rule, RuleMatch};
use stormbolt_ebpf::classify::Arrival;
use stormbolt_ebpf::parse::Headers;

/// Position of the first rule that matches; `interfaces[i]` is the number of the policy's
/// interface `i`.
pub fn first_match(
    rules: &[Rule],
    interfaces: &[u32],
    headers: &Headers,
    arrival: Arrival,
) -> Option<usize> {
    rules
        .iter()
        .position(|rule| matches(&rule.matches, interfaces, headers, arrival))
}

fn matches(rule: &RuleMatch, interfaces: &[u32], headers: &Headers, arrival: Arrival) -> bool {
    let ports = headers.ports;
    let length = u16::try_from(arrival.length.min(MAX_LENGTH)).ok();
    any(rule.source.as_ref(), |net| contains(*net, &headers.source))
        && any(rule.destination.as_ref(), |net| {
            contains(*net, &headers.destination)
        })
        && in_range(rule.source_port.as_ref(), ports.map(|ports| ports.source))
        && in_range(
            rule.destination_port.as_ref(),
            ports.map(|ports| ports.destination),
        )
        && any(rule.protocol.as_ref(), |protocol| {
            *protocol == headers.protocol
        })
        && in_range(rule.dscp.as_ref(), Some(headers.dscp))
        && in_range(rule.vlan.as_ref(), headers.vlan)
        && rule.tcp_flags.is_none_or(|wanted| {
            headers
                .tcp_flags
                .is_some_and(|flags| flags & wanted.mask == wanted.set)
        })
        && rule
            .fragment
            .is_none_or(|wanted| is_wanted(wanted, headers.fragment))
        && in_range(rule.icmp_type.as_ref(), headers.icmp_type)
        && in_range(rule.length.as_ref(), length)
        && any(rule.interface.as_ref(), |position| {
            interfaces[*position] == arrival.interface
        })
}

/// Whether any entry of the list accepts; a field that is not given accepts.
fn any<T>(list: Option<&Vec<T>>, accepts: impl Fn(&T) -> bool) -> bool {
    list.is_none_or(|list| list.iter().any(accepts))
}

/// Whether any range has the value; what has no value is in no range.
fn in_range<T: PartialOrd>(ranges: Option<&Vec<Range<T>>>, value: Option<T>) -> bool {
    any(ranges, |range| {
        value.as_ref().is_some_and(|value| range.contains(value))
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
