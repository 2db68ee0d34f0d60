//! Rule sets like those of routers and firewalls, compiled, against their plain meaning.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use stormbolt_common::classifier::Fragment;
use stormbolt_common::ipv4_mapped;
use stormbolt_control::policy::{Accepts, Action, Addresses, Range, Rule, RuleMatch};
use stormbolt_ebpf::classify::{Arrival, classify, fill};
use stormbolt_ebpf::parse::{Headers, Ports};
use stormbolt_ebpf::tables::Tables as _;
use stormbolt_tests::host_tables::HostTables;
use stormbolt_tests::policies::RuleList;
use stormbolt_tests::tables::{counter_of, of_rules};
use xtask::rulesets::{Family, Filter, Header, IpVersion, filters, headers};

/// Sizes of the rule sets of each family and version.
const SIZES: [usize; 8] = [3, 20, 60, 150, 250, 400, 700, 1500];
/// Packets per rule set: over ten million pairs in all.
const PACKETS: usize = 210_000;
const ARRIVAL: Arrival = Arrival {
    interface: 0,
    length: 100,
};

fn addresses(net: IpNet) -> Option<Addresses> {
    (net.prefix_len() > 0).then(|| Addresses::within(vec![net]))
}

fn ports(range: &RangeInclusive<u16>) -> Option<Accepts<Range<u16>>> {
    let range = (*range != (0..=u16::MAX)).then(|| Range {
        first: *range.start(),
        last: *range.end(),
    });
    range.map(|range| Accepts::any_of(vec![range]))
}

fn rule(filter: &Filter) -> Rule {
    Rule {
        name: String::new(),
        matches: RuleMatch {
            source: addresses(filter.source),
            destination: addresses(filter.destination),
            source_port: ports(&filter.source_port),
            destination_port: ports(&filter.destination_port),
            protocol: filter.protocol.map(|number| Accepts::any_of(vec![number])),
            ..RuleMatch::default()
        },
        action: Action::Pass,
    }
}

/// The headers as the parser gives them: only TCP, UDP and SCTP have ports.
fn parsed(header: &Header) -> Headers {
    let bytes = |address| match address {
        IpAddr::V4(address) => ipv4_mapped(address.octets()),
        IpAddr::V6(address) => address.octets(),
    };
    Headers {
        source: bytes(header.source),
        destination: bytes(header.destination),
        ports: matches!(header.protocol, 6 | 17 | 132).then_some(Ports {
            source: header.source_port,
            destination: header.destination_port,
        }),
        protocol: header.protocol,
        dscp: 0,
        vlan: None,
        tcp_flags: (header.protocol == 6).then_some(0x10),
        icmp_type: matches!(header.protocol, 1 | 58).then_some(8),
        fragment: Fragment::Whole,
    }
}

/// What the filter means for a packet that has ports or none.
fn accepts(filter: &Filter, header: &Header, has_ports: bool) -> bool {
    let all = 0..=u16::MAX;
    let asks = filter.source_port != all || filter.destination_port != all;
    filter.matches(header) && (has_ports || !asks)
}

/// Pairs of a rule set and a packet that were compared.
fn compare(family: Family, version: IpVersion, size: usize) -> usize {
    let seed = u64::try_from(size).expect("a size");
    let filters = filters(family, version, size, seed);
    let list = RuleList::of(filters.iter().map(rule).collect());
    let mut host = HostTables::new(0, 0);
    host.install(of_rules(&list, &[0], 2).expect("the rules fit"));
    let policy = host.policy().expect("a policy is installed");
    let packets = headers(&filters, PACKETS, seed + 1);
    for header in &packets {
        let headers = parsed(header);
        let has_ports = headers.ports.is_some();
        let wanted = filters
            .iter()
            .position(|filter| accepts(filter, header, has_ports));
        fill(&mut host, &(&headers).into(), ARRIVAL);
        let found = classify(&policy, &mut host).expect("no table is missing");
        assert_eq!(
            found.map(|rule| rule.counter),
            wanted.map(counter_of),
            "{family} {version} {size}: {header:?}"
        );
    }
    packets.len()
}

fn compare_all(version: IpVersion) -> usize {
    let sets = Family::ALL.iter();
    let pairs = sets.flat_map(|family| SIZES.map(|size| compare(*family, version, size)));
    pairs.sum()
}

#[test]
fn five_million_ipv4_packets_meet_the_rule_that_a_linear_search_finds() {
    assert!(compare_all(IpVersion::V4) >= 5_000_000);
}

#[test]
fn five_million_ipv6_packets_meet_the_rule_that_a_linear_search_finds() {
    assert!(compare_all(IpVersion::V6) >= 5_000_000);
}
