//! Packets made to hit rules, or to miss them by one.

use ipnet::IpNet;
use stormbolt_common::classifier::Fragment;
use stormbolt_common::{Address, ipv4_mapped};
use stormbolt_control::compile::Prefix;
use stormbolt_control::policy::{Action, FragmentMatch, Range, Rule, RuleMatch, TcpFlagsMatch};
use stormbolt_ebpf::classify::Arrival;
use stormbolt_ebpf::parse::{Headers, Ports, protocol};

use crate::packet::{
    Extension, Ipv4, Ipv6, MORE_FRAGMENTS, icmp, padded, sctp, tag, tcp, udp_of_length,
};
use crate::policies::INTERFACES;
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
pub fn aimed_at(rules: &[Rule], random: &mut Random) -> Sample {
    let everything = RuleMatch::default();
    let aim = if rules.is_empty() {
        &everything
    } else {
        &rules[random.index(rules.len())].matches
    };
    let is_ipv4 = random.chance(50);
    let protocol = protocol_of(aim, random);
    let fragment = fragment_of(aim, random);
    let has_header = fragment != Fragment::Later;
    let has_ports = matches!(protocol, protocol::TCP | protocol::UDP | protocol::SCTP);
    let is_icmp = matches!(protocol, protocol::ICMP | protocol::ICMPV6);
    let headers = Headers {
        source: address(aim.source.as_deref(), is_ipv4, random),
        destination: address(aim.destination.as_deref(), is_ipv4, random),
        ports: (has_header && has_ports).then(|| Ports {
            source: number(aim.source_port.as_deref(), 0xffff, random),
            destination: number(aim.destination_port.as_deref(), 0xffff, random),
        }),
        protocol,
        dscp: byte(aim.dscp.as_deref(), 63, random),
        vlan: (aim.vlan.is_some() || random.chance(20))
            .then(|| number(aim.vlan.as_deref(), 4095, random)),
        tcp_flags: (has_header && protocol == protocol::TCP).then(|| flags(aim.tcp_flags, random)),
        icmp_type: (has_header && is_icmp).then(|| byte(aim.icmp_type.as_deref(), 255, random)),
        fragment,
    };
    let interface = match aim.interface.as_deref() {
        Some(positions) if !positions.is_empty() && random.chance(90) => {
            INTERFACES[random.one_of(positions)]
        }
        _ => random.one_of(&INTERFACES),
    };
    let length = u32::from(number(aim.length.as_deref(), 20_000, random));
    Sample {
        headers,
        arrival: Arrival { interface, length },
    }
}

/// A rule that accepts exactly this packet's values.
pub fn rule_for(sample: &Sample, action: Action) -> Rule {
    fn only<T: Copy>(value: T) -> Vec<Range<T>> {
        vec![Range {
            first: value,
            last: value,
        }]
    }
    let Sample { headers, arrival } = sample;
    let position = INTERFACES
        .iter()
        .position(|number| *number == arrival.interface);
    let length = arrival.length.min(stormbolt_common::classifier::MAX_LENGTH);
    let matches = RuleMatch {
        source: Some(vec![host_prefix(&headers.source)]),
        destination: Some(vec![host_prefix(&headers.destination)]),
        source_port: headers.ports.map(|ports| only(ports.source)),
        destination_port: headers.ports.map(|ports| only(ports.destination)),
        protocol: Some(vec![headers.protocol]),
        dscp: Some(only(headers.dscp)),
        vlan: headers.vlan.map(only),
        tcp_flags: headers
            .tcp_flags
            .map(|set| TcpFlagsMatch { mask: 255, set }),
        fragment: Some(match headers.fragment {
            Fragment::Whole => FragmentMatch::No,
            Fragment::First => FragmentMatch::First,
            Fragment::Later => FragmentMatch::Later,
        }),
        icmp_type: headers.icmp_type.map(only),
        length: Some(only(u16::try_from(length).unwrap())),
        interface: position.map(|position| vec![position]),
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
fn address(nets: Option<&[IpNet]>, is_ipv4: bool, random: &mut Random) -> Address {
    let of_family = |net: &&IpNet| matches!(net, IpNet::V4(_)) == is_ipv4;
    let nets: Vec<&IpNet> = nets.unwrap_or_default().iter().filter(of_family).collect();
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
        let prefix = Prefix::from(*random.one_of(&nets));
        let first = u128::from_be_bytes(prefix.address);
        let host = u128::MAX.checked_shr(u32::from(prefix.length)).unwrap_or(0);
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
    let given = aim.protocol.as_deref().unwrap_or(implied);
    let protocol = if given.is_empty() || random.chance(5) {
        random.one_of(&USUAL)
    } else {
        random.one_of(given)
    };
    // Extension headers are not the protocol of any packet.
    if is_header(&protocol) {
        random.one_of(implied)
    } else {
        protocol
    }
}

fn fragment_of(aim: &RuleMatch, random: &mut Random) -> Fragment {
    match aim.fragment {
        Some(FragmentMatch::First) => Fragment::First,
        Some(FragmentMatch::Later) => Fragment::Later,
        Some(FragmentMatch::No) => Fragment::Whole,
        None if random.chance(90) => Fragment::Whole,
        Some(FragmentMatch::Any) | None => random.one_of(&[Fragment::First, Fragment::Later]),
    }
}

fn flags(aim: Option<TcpFlagsMatch>, random: &mut Random) -> u8 {
    let anything = random.byte();
    match aim {
        Some(aim) if random.chance(85) => anything & !aim.mask | aim.set,
        _ => anything,
    }
}

/// A number at a border of one of the ranges, in it, or anything up to `highest`.
fn number(ranges: Option<&[Range<u16>]>, highest: u16, random: &mut Random) -> u16 {
    let anything = u16::try_from(random.below(u64::from(highest) + 1)).unwrap();
    let ranges = ranges.unwrap_or_default();
    if ranges.is_empty() || random.chance(5) {
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

fn byte(ranges: Option<&[Range<u8>]>, highest: u8, random: &mut Random) -> u8 {
    let wide: Option<Vec<Range<u16>>> = ranges.map(|ranges| {
        let widen = |range: &Range<u8>| Range {
            first: range.first.into(),
            last: range.last.into(),
        };
        ranges.iter().map(widen).collect()
    });
    u8::try_from(number(wide.as_deref(), highest.into(), random)).unwrap()
}
