//! Packets made to hit rules, or to miss them by one.

use std::sync::Arc;

use ipnet::IpNet;
use stormbolt_common::classifier::Fragment;
use stormbolt_common::{Address, ipv4_mapped};
use stormbolt_control::policy::{
    Accepts, Action, Addresses, FragmentMatch, Range, Rule, RuleMatch, Set, TcpFlagsMatch,
};
use stormbolt_ebpf::classify::Arrival;
use stormbolt_ebpf::parse::{Headers, Ports, protocol};

use crate::packet::{
    Extension, Ipv4, Ipv6, MORE_FRAGMENTS, icmp, padded, sctp, tag, tcp, udp_of_length,
};
use crate::policies::{INTERFACES, RuleList};
use crate::random::Random;

/// A packet that some frame could be parsed into.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Its headers.
    pub headers: Headers,
    /// Where it arrived, and how long it is.
    pub arrival: Arrival,
}

/// A packet most of whose fields stand at or beside the borders of one of the rules.
pub fn aimed_at(list: &RuleList, random: &mut Random) -> Sample {
    let everything = RuleMatch::default();
    let aim = if list.rules.is_empty() {
        &everything
    } else {
        &list.rules[random.index(list.rules.len())].matches
    };
    let is_ipv4 = random.chance(50);
    let protocol = protocol_of(aim, random);
    let fragment = fragment_of(aim, random);
    let has_header = fragment != Fragment::Later;
    let has_ports = matches!(protocol, protocol::TCP | protocol::UDP | protocol::SCTP);
    let is_icmp = matches!(protocol, protocol::ICMP | protocol::ICMPV6);
    let headers = Headers {
        source: address(aim.source.as_ref(), &list.sets, is_ipv4, random),
        destination: address(aim.destination.as_ref(), &list.sets, is_ipv4, random),
        ports: (has_header && has_ports).then(|| Ports {
            source: number(aim.source_port.as_ref(), 0xffff, random),
            destination: number(aim.destination_port.as_ref(), 0xffff, random),
        }),
        protocol,
        dscp: byte(aim.dscp.as_ref(), 63, random),
        vlan: (aim.vlan.is_some() && random.chance(90) || random.chance(20))
            .then(|| number(aim.vlan.as_ref(), 4095, random)),
        tcp_flags: (has_header && protocol == protocol::TCP).then(|| flags(aim.tcp_flags, random)),
        icmp_type: (has_header && is_icmp).then(|| byte(aim.icmp_type.as_ref(), 255, random)),
        fragment,
    };
    let interface = match entries(aim.interface.as_ref(), random) {
        [] => random.one_of(&INTERFACES),
        positions => INTERFACES[random.one_of(positions)],
    };
    let length = u32::from(number(aim.length.as_ref(), 20_000, random));
    Sample {
        headers,
        arrival: Arrival { interface, length },
    }
}

/// The entries of a field to aim at: mostly what it lists; for a negated one as often not.
fn entries<'f, T>(field: Option<&'f Accepts<T>>, random: &mut Random) -> &'f [T] {
    let aims = |field: &&Accepts<T>| random.chance(if field.negated { 50 } else { 95 });
    field.filter(aims).map_or(&[], |field| &field.any_of)
}

/// A rule that accepts exactly this packet's values.
pub fn rule_for(sample: &Sample, action: Action) -> Rule {
    fn only<T: Copy>(value: T) -> Accepts<Range<T>> {
        Accepts::any_of(vec![Range {
            first: value,
            last: value,
        }])
    }
    let Sample { headers, arrival } = sample;
    let position = INTERFACES
        .iter()
        .position(|number| *number == arrival.interface);
    let length = arrival.length.min(stormbolt_common::classifier::MAX_LENGTH);
    let matches = RuleMatch {
        source: Some(Addresses::within(vec![host_prefix(&headers.source)])),
        destination: Some(Addresses::within(vec![host_prefix(&headers.destination)])),
        source_port: headers.ports.map(|ports| only(ports.source)),
        destination_port: headers.ports.map(|ports| only(ports.destination)),
        protocol: Some(Accepts::any_of(vec![headers.protocol])),
        dscp: Some(only(headers.dscp)),
        vlan: headers.vlan.map(only),
        tcp_flags: headers.tcp_flags.map(|set| TcpFlagsMatch {
            negated: false,
            mask: 255,
            set,
        }),
        fragment: Some(Accepts::any_of(vec![match headers.fragment {
            Fragment::Whole => FragmentMatch::No,
            Fragment::First => FragmentMatch::First,
            Fragment::Later => FragmentMatch::Later,
        }])),
        icmp_type: headers.icmp_type.map(only),
        length: Some(only(u16::try_from(length).unwrap())),
        interface: position.map(|position| Accepts::any_of(vec![position])),
    };
    Rule {
        name: "exact".to_owned(),
        matches,
        action,
    }
}

/// The prefix of this address alone.
fn host_prefix(address: &Address) -> IpNet {
    let address = std::net::Ipv6Addr::from(*address);
    match address.to_ipv4_mapped() {
        Some(address) => IpNet::from(std::net::IpAddr::V4(address)),
        None => IpNet::from(std::net::IpAddr::V6(address)),
    }
}

impl Sample {
    /// A frame with these headers, and the sample with the length that the frame really has: at
    /// least the headers' and at most `longest`.
    pub fn frame(mut self, longest: usize) -> (Self, Vec<u8>) {
        let headers = &self.headers;
        let wanted = usize::try_from(self.arrival.length).unwrap().min(longest);
        let short = build(headers, 0);
        let frame = build(headers, wanted.saturating_sub(short.len()));
        self.arrival.length = u32::try_from(frame.len()).unwrap();
        (self, frame)
    }
}

fn build(headers: &Headers, more: usize) -> Vec<u8> {
    let ports = headers.ports.unwrap_or(Ports {
        source: 0,
        destination: 0,
    });
    let message = match (headers.protocol, headers.fragment) {
        (_, Fragment::Later) => vec![0xff; 16],
        (protocol::TCP, _) => tcp(
            ports.source,
            ports.destination,
            headers.tcp_flags.unwrap_or_default(),
        ),
        (protocol::UDP, _) => {
            let length = u16::try_from(8 + more).unwrap();
            udp_of_length(ports.source, ports.destination, length)
        }
        (protocol::SCTP, _) => sctp(ports.source, ports.destination),
        (protocol::ICMP | protocol::ICMPV6, _) => icmp(headers.icmp_type.unwrap_or_default()),
        _ => Vec::new(),
    };
    let length = message.len() + more;
    let payload = padded(message, length);
    let frame = match (mapped(&headers.source), mapped(&headers.destination)) {
        (Some(source), Some(destination)) => Ipv4 {
            source,
            destination,
            dscp: headers.dscp,
            fragment: match headers.fragment {
                Fragment::Whole => 0,
                Fragment::First => MORE_FRAGMENTS,
                Fragment::Later => 90,
            },
            ..Ipv4::of(headers.protocol)
        }
        .frame(&payload),
        _ => Ipv6 {
            source: headers.source,
            destination: headers.destination,
            dscp: headers.dscp,
            extensions: match headers.fragment {
                Fragment::Whole => Vec::new(),
                Fragment::First => vec![Extension::fragment(0, true)],
                Fragment::Later => vec![Extension::fragment(90, false)],
            },
            ..Ipv6::of(headers.protocol)
        }
        .frame(&payload),
    };
    headers
        .vlan
        .map_or_else(|| frame.clone(), |vlan| tag(&frame, vlan))
}

fn mapped(address: &Address) -> Option<[u8; 4]> {
    let [.., a, b, c, d] = *address;
    (ipv4_mapped([a, b, c, d]) == *address).then_some([a, b, c, d])
}

/// An address at the beginning, at the end or next to one of the prefixes of the family.
fn address(
    aim: Option<&Addresses>,
    sets: &[Arc<Set>],
    is_ipv4: bool,
    random: &mut Random,
) -> Address {
    let aim = aim.filter(|aim| !aim.negated || random.chance(50));
    let nets = aim.into_iter().flat_map(|aim| aim.all_prefixes(sets));
    let nets: Vec<IpNet> = nets
        .filter(|net| matches!(net, IpNet::V4(_)) == is_ipv4)
        .collect();
    let mut low = [0; 16];
    random.fill(&mut low);
    let anything = u128::from_be_bytes(low);
    let wanted = if nets.is_empty() || random.chance(5) {
        let clustered = [0x2001_0db8_u128 << 96, 0x2001_0db9 << 96 | 1 << 64];
        if is_ipv4 {
            0x0a00_0000 | anything & 0x3ff
        } else {
            random.one_of(&clustered)
        }
    } else {
        let (first, length) = match random.one_of(&nets) {
            IpNet::V4(net) => (
                u128::from_be_bytes(ipv4_mapped(net.network().octets())),
                net.prefix_len() + 96,
            ),
            IpNet::V6(net) => (u128::from(net.network()), net.prefix_len()),
        };
        let host = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        match random.below(8) {
            0 => first.wrapping_sub(1),
            1 => (first | host).wrapping_add(1),
            2 => first,
            3 => first | host,
            _ => first | anything & host,
        }
    };
    if is_ipv4 {
        let [.., a, b, c, d] = wanted.to_be_bytes();
        ipv4_mapped([a, b, c, d])
    } else {
        // One beside the addresses that no IPv6 packet may have.
        let is_mapped = wanted >> 32 == 0xffff;
        (wanted ^ u128::from(is_mapped) << 32).to_be_bytes()
    }
}

fn protocol_of(aim: &RuleMatch, random: &mut Random) -> u8 {
    const USUAL: [u8; 6] = [6, 17, 1, 58, 132, 50];
    // The protocol that the rule's other fields speak of.
    let implied: &[u8] = if aim.tcp_flags.is_some() {
        &[6]
    } else if aim.icmp_type.is_some() {
        &[1, 58]
    } else if aim.source_port.is_some() || aim.destination_port.is_some() {
        &[6, 17, 132]
    } else {
        &USUAL
    };
    let is_header = |number: &u8| matches!(number, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140);
    let protocol = match entries(aim.protocol.as_ref(), random) {
        [] if random.chance(95) => random.one_of(implied),
        [] => random.one_of(&USUAL),
        given => random.one_of(given),
    };
    // Extension headers are not the protocol of any packet.
    if is_header(&protocol) {
        random.one_of(implied)
    } else {
        protocol
    }
}

fn fragment_of(aim: &RuleMatch, random: &mut Random) -> Fragment {
    let given = entries(aim.fragment.as_ref(), random);
    if given.is_empty() {
        // A negated list may mean any of them.
        let whole = if aim.fragment.is_some() { 34 } else { 90 };
        return if random.chance(whole) {
            Fragment::Whole
        } else {
            random.one_of(&[Fragment::First, Fragment::Later])
        };
    }
    match random.one_of(given) {
        FragmentMatch::First => Fragment::First,
        FragmentMatch::Later => Fragment::Later,
        FragmentMatch::No => Fragment::Whole,
        FragmentMatch::Any => random.one_of(&[Fragment::First, Fragment::Later]),
    }
}

fn flags(aim: Option<TcpFlagsMatch>, random: &mut Random) -> u8 {
    let anything = random.byte();
    match aim {
        Some(aim) if random.chance(if aim.negated { 40 } else { 85 }) => {
            anything & !aim.mask | aim.set
        }
        _ => anything,
    }
}

/// A number at a border of one of the ranges, in it, or anything up to `highest`.
fn number(aim: Option<&Accepts<Range<u16>>>, highest: u16, random: &mut Random) -> u16 {
    let anything = u16::try_from(random.below(u64::from(highest) + 1)).unwrap();
    let ranges = entries(aim, random);
    if ranges.is_empty() {
        return anything;
    }
    let Range { first, last } = random.one_of(ranges);
    let inside = u16::try_from(random.below(u64::from(last - first) + 1)).unwrap();
    let near = match random.below(8) {
        0 => first.saturating_sub(1),
        1 => last.saturating_add(1),
        2 => first,
        3 => last,
        _ => first + inside,
    };
    near.min(highest)
}

fn byte(aim: Option<&Accepts<Range<u8>>>, highest: u8, random: &mut Random) -> u8 {
    let wide = aim.map(|aim| {
        let widen = |range: &Range<u8>| Range {
            first: range.first.into(),
            last: range.last.into(),
        };
        Accepts {
            negated: aim.negated,
            any_of: aim.any_of.iter().map(widen).collect(),
        }
    });
    u8::try_from(number(wide.as_ref(), highest.into(), random)).unwrap()
}
