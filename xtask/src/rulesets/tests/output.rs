//! Tests of headers and of large sets of prefixes.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::{VERSIONS, distinct, kinds, nesting};
use crate::rulesets::{
    Family, Filter, IpVersion, Pareto, filters, headers, prefixes, skewed_headers,
};

#[test]
fn each_header_lies_in_a_filter_and_most_filters_get_one() {
    for (family, version, seed) in kinds() {
        let set = filters(family, version, 300, seed);
        let drawn = headers(&set, 1000, seed);
        assert_eq!(drawn.len(), 1000);
        let first_matches: HashSet<_> = drawn
            .iter()
            .map(|header| {
                set.iter()
                    .position(|filter| filter.matches(header))
                    .unwrap()
            })
            .collect();
        assert!(first_matches.len() > 200, "{}", first_matches.len());
        assert!(distinct(drawn.iter()) > 800);
    }
}

#[test]
fn headers_are_corners_of_filters_as_often_as_points_inside() {
    let filter: Filter = "@10.0.0.0/16\t10.1.0.0/16\t100 : 20000\t30000 : 50000\t0x06/0xFF"
        .parse()
        .unwrap();
    let drawn = headers(&[filter], 1000, 1);
    let corners = drawn
        .iter()
        .filter(|header| [100, 20_000].contains(&header.source_port))
        .filter(|header| [30_000, 50_000].contains(&header.destination_port))
        .filter(|header| {
            let edges = [Ipv4Addr::new(10, 0, 0, 0), Ipv4Addr::new(10, 0, 255, 255)];
            edges.map(IpAddr::from).contains(&header.source)
        });
    assert!((400..=600).contains(&corners.count()));
}

#[test]
fn headers_of_a_filter_for_everything_are_tcp_or_udp_between_unicast_addresses() {
    for any in ["0.0.0.0/0", "::/0"] {
        let filter = format!("@{any}\t{any}\t0 : 65535\t0 : 65535\t0x00/0x00");
        let drawn = headers(&[filter.parse().unwrap()], 1000, 1);
        assert_eq!(distinct(drawn.iter().map(|header| header.protocol)), 2);
        for header in drawn {
            assert!([6, 17].contains(&header.protocol));
            match header.source {
                IpAddr::V4(address) => {
                    assert!((1..224).contains(&address.octets()[0]) && !address.is_loopback());
                }
                IpAddr::V6(address) => assert_eq!(address.segments()[0] >> 13, 1),
            }
        }
    }
}

#[test]
fn skewed_headers_repeat_in_bursts_as_long_as_the_scale_says() {
    let set = filters(Family::Acl, IpVersion::V4, 1000, 1);
    let bursts = |pareto| {
        let drawn = skewed_headers(&set, 10_000, 1, pareto);
        assert_eq!(drawn.len(), 10_000);
        drawn.chunk_by(PartialEq::eq).count()
    };
    assert!(bursts(Pareto::None) > 9900);
    assert!((5000..=bursts(Pareto::None)).contains(&bursts(Pareto::Low)));
    assert!(bursts(Pareto::High) < 3000);
}

#[test]
fn no_filters_give_no_headers() {
    assert_eq!(headers(&[], 10, 1), []);
}

#[test]
fn prefixes_are_different_public_and_as_long_as_in_routing_tables() {
    for version in VERSIONS {
        let set = prefixes(version, 50_000, 1);
        assert_eq!(distinct(set.iter()), 50_000);
        let share =
            |length| set.iter().filter(|net| net.prefix_len() == length).count() * 1000 / set.len();
        let (frequent, rare) = match version {
            IpVersion::V4 => ([(24, 500..=620), (22, 80..=130), (32, 50..=90)], 8..=11),
            IpVersion::V6 => ([(48, 400..=520), (32, 90..=150), (64, 10..=40)], 65..=128),
        };
        for (length, band) in frequent {
            assert!(
                band.contains(&share(length)),
                "/{length}: {}",
                share(length)
            );
        }
        assert_eq!(rare.map(share).sum::<usize>(), 0);
        let private: Vec<IpNet> = ["10.0.0.0/8", "127.0.0.0/8", "192.168.0.0/16", "224.0.0.0/3"]
            .into_iter()
            .chain(["2001:db8::/32", "2002::/16", "::/3", "fc00::/7"])
            .map(|net| net.parse().unwrap())
            .collect();
        for net in &set {
            assert_eq!(net, &net.trunc());
            let overlaps = |other: &IpNet| net.contains(other) || other.contains(net);
            assert!(!private.iter().any(overlaps), "{net}");
        }
        assert!((3..=12).contains(&nesting(set.iter().copied())));
    }
}

#[test]
fn lines_that_are_no_filters_are_refused() {
    for line in [
        "",
        "10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t53 : 53\t0x11/0xFF",
        "@10.0.0.0/8\t192.0.2.1/33\t0 : 65535\t53 : 53\t0x11/0xFF",
        "@10.0.0.0/8\t192.0.2.1/32\t0 : 65536\t53 : 53\t0x11/0xFF",
        "@10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t54 : 53\t0x11/0xFF",
        "@10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t53 : 53\t0x11/0x0F",
        "@10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t53 : 53",
        "@10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t53 : 53\t0x11/0xFF\t0x0000/0x0200",
    ] {
        assert!(line.parse::<Filter>().is_err(), "{line}");
    }
}
