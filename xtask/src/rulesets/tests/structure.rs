//! That sets have the structure that was asked for.

use std::{collections::HashMap, net::IpAddr, ops::RangeInclusive};

use ipnet::IpNet;

use super::{distinct, kinds, nesting};
use crate::rulesets::{Family, Filter, IpVersion, filters};

#[test]
fn a_set_has_as_many_different_filters_as_asked_for() {
    for (family, version, seed) in kinds() {
        for count in [0, 1, 2, 17, 3000] {
            let set = filters(family, version, count, seed);
            assert_eq!(set.len(), count);
            assert_eq!(distinct(set.iter()), count, "{family} {version} {seed}");
        }
    }
}

#[test]
fn few_filters_lie_wholly_in_an_earlier_one() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 2000, seed);
        let shadowed = (0..set.len()).filter(|&index| {
            set[..index]
                .iter()
                .any(|earlier| lies_in(&set[index], earlier))
        });
        let shadowed = shadowed.count();
        assert!(
            shadowed < 60,
            "{family} {version} {seed}: {shadowed} of 2000"
        );
    }
}

#[test]
fn the_more_specific_filters_come_first() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 2000, seed);
        let mean_length = |part: &[Filter]| {
            let lengths = part.iter().map(|filter| {
                usize::from(filter.source.prefix_len())
                    + usize::from(filter.destination.prefix_len())
            });
            lengths.sum::<usize>() / part.len()
        };
        let (first, last) = (mean_length(&set[..500]), mean_length(&set[1500..]));
        assert!(
            first > last + 10,
            "{family} {version} {seed}: {first}, {last}"
        );
    }
}

#[test]
fn protocols_are_as_frequent_as_in_the_family() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 5000, seed);
        let share = |protocol| per_mille(&set, |filter| filter.protocol == protocol);
        let (tcp, udp, any) = match family {
            Family::Acl => (700..=800, 140..=220, 20..=60),
            Family::Fw => (500..=600, 220..=320, 70..=130),
            Family::Ipc => (510..=610, 210..=310, 80..=140),
        };
        assert!(
            tcp.contains(&share(Some(6))),
            "{family}: TCP {}",
            share(Some(6))
        );
        assert!(
            udp.contains(&share(Some(17))),
            "{family}: UDP {}",
            share(Some(17))
        );
        assert!(any.contains(&share(None)), "{family}: any {}", share(None));
        let (icmp, other_icmp) = match version {
            IpVersion::V4 => (1, 58),
            IpVersion::V6 => (58, 1),
        };
        assert!((10..=100).contains(&share(Some(icmp))), "{family}");
        assert_eq!(share(Some(other_icmp)), 0, "{family}");
        assert_eq!(
            share(Some(47)) > 0 && share(Some(50)) > 0,
            family == Family::Fw
        );
    }
}

#[test]
fn only_tcp_and_udp_have_ports() {
    for (family, version, seed) in kinds() {
        for filter in filters(family, version, 2000, seed) {
            let wildcards = [&filter.source_port, &filter.destination_port]
                .iter()
                .all(|ports| port_class(ports) == "WC");
            assert!(
                wildcards || matches!(filter.protocol, Some(6 | 17)),
                "{filter}"
            );
        }
    }
}

#[test]
fn port_classes_are_as_frequent_as_in_the_family() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 5000, seed);
        let source = |class| per_mille(&set, |filter| port_class(&filter.source_port) == class);
        let destination =
            |class| per_mille(&set, |filter| port_class(&filter.destination_port) == class);
        let bands = match family {
            Family::Acl => [
                (source("WC"), 950..=1000),
                (destination("EM"), 550..=750),
                (destination("AR"), 100..=200),
                (destination("WC"), 120..=280),
                (destination("HI"), 15..=70),
            ],
            Family::Fw => [
                (source("WC"), 580..=720),
                (source("HI"), 120..=240),
                (source("EM"), 100..=220),
                (destination("EM"), 320..=480),
                (destination("HI"), 100..=220),
            ],
            Family::Ipc => [
                (source("WC"), 720..=880),
                (source("EM"), 100..=230),
                (source("HI"), 10..=70),
                (destination("EM"), 400..=580),
                (destination("AR"), 25..=90),
            ],
        };
        for (index, (share, band)) in bands.into_iter().enumerate() {
            assert!(band.contains(&share), "{family}, band {index}: {share}");
        }
    }
}

#[test]
fn ports_come_from_a_list_of_which_some_are_much_more_popular() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 5000, seed);
        let mut uses: HashMap<_, usize> = HashMap::new();
        for filter in set {
            if port_class(&filter.destination_port) == "EM" {
                *uses.entry(filter.destination_port).or_default() += 1;
            }
        }
        assert!(
            (100..=220).contains(&uses.len()),
            "{family}: {}",
            uses.len()
        );
        assert!(*uses.values().max().unwrap() > 20 * uses.values().min().unwrap());
    }
}

#[test]
fn wildcard_addresses_are_as_frequent_as_in_the_family() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 5000, seed);
        let source = |filter: &Filter| filter.source.prefix_len() == 0;
        let destination = |filter: &Filter| filter.destination.prefix_len() == 0;
        let (sources, destinations) = match family {
            Family::Acl => (190..=290, 0..=10),
            Family::Fw => (320..=430, 210..=320),
            Family::Ipc => (40..=110, 25..=80),
        };
        assert!(sources.contains(&per_mille(&set, source)), "{family}");
        assert!(
            destinations.contains(&per_mille(&set, destination)),
            "{family}"
        );
        let both = per_mille(&set, |filter| source(filter) && destination(filter));
        assert!(both <= 15, "{family}: {both}");
    }
}

#[test]
fn filters_share_prefixes_as_in_real_sets() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 10_000, seed);
        let sources = distinct(set.iter().map(|filter| filter.source));
        let destinations = distinct(set.iter().map(|filter| filter.destination));
        let (source_band, destination_band) = match family {
            Family::Acl => (1000..=4000, 2500..=6500),
            Family::Fw => (1500..=5000, 1500..=5000),
            Family::Ipc => (2000..=6000, 2000..=6000),
        };
        let kind = format!("{family} {version} {seed}: {sources}, {destinations}");
        assert!(source_band.contains(&sources), "{kind}");
        assert!(destination_band.contains(&destinations), "{kind}");
    }
}

#[test]
fn source_and_destination_of_a_filter_are_close_more_often_than_by_chance() {
    for (family, version, seed) in kinds() {
        let mut set = filters(family, version, 10_000, seed);
        set.retain(|filter| {
            filter
                .source
                .prefix_len()
                .min(filter.destination.prefix_len())
                >= 24
        });
        let start = |net: IpNet| match net.addr() {
            IpAddr::V4(address) => address.to_bits() >> 16,
            IpAddr::V6(address) => u32::try_from(address.to_bits() >> 96).unwrap(),
        };
        let destinations = set.iter().map(|filter| start(filter.destination));
        let close = |destinations: &mut dyn Iterator<Item = u32>| {
            let sources = set.iter().map(|filter| start(filter.source));
            sources
                .zip(destinations)
                .filter(|(one, other)| one == other)
                .count()
        };
        let own = close(&mut destinations.clone());
        // Filters that are not neighbours in the order have nothing to do with each other.
        let strange = close(&mut destinations.cycle().skip(set.len() / 2));
        assert!(
            2 * own > 3 * strange,
            "{family} {version} {seed}: {own}, {strange}"
        );
    }
}

#[test]
fn prefixes_of_a_set_lie_in_each_other_four_or_five_deep() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 10_000, seed);
        let sources = nesting(set.iter().map(|filter| filter.source));
        let destinations = nesting(set.iter().map(|filter| filter.destination));
        for depth in [sources, destinations] {
            assert!(
                (4..=5).contains(&depth),
                "{family} {version} {seed}: {depth}"
            );
        }
    }
}

#[test]
fn addresses_of_a_set_are_unicast() {
    for (family, version, seed) in kinds() {
        for filter in filters(family, version, 2000, seed) {
            for net in [filter.source, filter.destination] {
                assert_eq!(net, net.trunc());
                match net.addr() {
                    _ if net.prefix_len() == 0 => {}
                    IpAddr::V4(address) => {
                        let first = address.octets()[0];
                        assert!((1..224).contains(&first) && first != 127, "{net}");
                    }
                    IpAddr::V6(address) => assert_eq!(address.segments()[0] >> 13, 1, "{net}"),
                }
            }
        }
    }
}

fn lies_in(inner: &Filter, outer: &Filter) -> bool {
    let within = |inner: &RangeInclusive<u16>, outer: &RangeInclusive<u16>| {
        outer.contains(inner.start()) && outer.contains(inner.end())
    };
    outer.source.contains(&inner.source)
        && outer.destination.contains(&inner.destination)
        && within(&inner.source_port, &outer.source_port)
        && within(&inner.destination_port, &outer.destination_port)
        && (outer.protocol.is_none() || outer.protocol == inner.protocol)
}

fn port_class(ports: &RangeInclusive<u16>) -> &'static str {
    match (*ports.start(), *ports.end()) {
        (0, u16::MAX) => "WC",
        (1024, u16::MAX) => "HI",
        (0, 1023) => "LO",
        (low, high) if low == high => "EM",
        _ => "AR",
    }
}

/// How many of 1000 filters fulfil the condition.
fn per_mille(set: &[Filter], condition: impl Fn(&Filter) -> bool) -> usize {
    set.iter().filter(|filter| condition(filter)).count() * 1000 / set.len()
}
