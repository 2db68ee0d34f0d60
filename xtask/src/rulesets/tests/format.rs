//! Tests of the lines of filters.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use crate::rulesets::Filter;

#[test]
fn lines_are_in_the_format_of_classbench() {
    let line = "@10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t53 : 53\t0x11/0xFF";
    let filter: Filter = line.parse().unwrap();
    assert_eq!(filter.source_port, 0..=65535);
    assert_eq!(filter.destination_port, 53..=53);
    assert_eq!(filter.protocol, Some(17));
    assert_eq!(filter.to_string(), line);
}

proptest! {
    #[test]
    fn a_filter_that_is_written_is_read_back(
        source: u32, destination: u32, source_length in 0..=32u8, destination_length in 0..=32u8,
        source_ports: (u16, u16), destination_ports: (u16, u16), protocol: Option<u8>,
    ) {
        let net = |bits, length| {
            let address = IpAddr::from(Ipv4Addr::from_bits(bits));
            IpNet::new(address, length).unwrap().trunc()
        };
        let filter = Filter {
            source: net(source, source_length),
            destination: net(destination, destination_length),
            source_port: source_ports.0.min(source_ports.1)..=source_ports.0.max(source_ports.1),
            destination_port: destination_ports.0.min(destination_ports.1)
                ..=destination_ports.0.max(destination_ports.1),
            protocol,
        };
        prop_assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter);
    }
}
