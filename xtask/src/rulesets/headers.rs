//! Headers of packets that a set's filters match.

use std::{fmt, net::IpAddr, ops::RangeInclusive};

use ipnet::IpNet;

use super::{
    family::IpVersion,
    filter::Filter,
    parameters::{TCP, UDP},
    prefix::{Prefix, address, mask},
    random::Random,
};

/// The fields of a packet that filters look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Where the packet comes from.
    pub source: IpAddr,
    /// Where it goes; of the same version as `source`.
    pub destination: IpAddr,
    /// Its source port; means nothing for protocols without ports.
    pub source_port: u16,
    /// Its destination port; means nothing for protocols without ports.
    pub destination_port: u16,
    /// Its protocol by number.
    pub protocol: u8,
}

/// Writes the fields separated by tabs, as the trace generator of `ClassBench` orders them; the
/// addresses in their usual notation.
impl fmt::Display for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}\t{}\t{}\t{}\t{}",
            self.source, self.destination, self.source_port, self.destination_port, self.protocol
        )
    }
}

/// How often headers come several times in a row: by a Pareto distribution with shape 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pareto {
    /// Scale 0: each header once.
    None,
    /// Scale 0.0001: few headers come in bursts.
    Low,
    /// Scale 1: most headers come in bursts.
    High,
}

impl Pareto {
    /// How many times in a row the next header comes.
    fn burst(self, random: &mut Random) -> u64 {
        let ten_thousandths = match self {
            Self::None => 0,
            Self::Low => 1,
            Self::High => 10_000,
        };
        let uniform = random.below(1 << 32) + 1;
        ((ten_thousandths << 32) / uniform).div_ceil(10_000).max(1)
    }
}

/// Draws `count` headers, each from inside of a filter that is drawn first, all filters alike.
///
/// Half of the headers are corners of their filter, where off-by-one errors show, the others
/// random points. The first filter that matches is that filter or an earlier one that overlaps
/// it. Filters of any protocol give TCP or UDP; prefixes shorter than /8 (IPv6: /3) give unicast
/// addresses only. Without filters there are no headers.
pub fn headers(filters: &[Filter], count: usize, seed: u64) -> Vec<Header> {
    skewed_headers(filters, count, seed, Pareto::None)
}

/// Draws `count` headers like [`headers`], with some coming several times in a row.
pub fn skewed_headers(filters: &[Filter], count: usize, seed: u64, pareto: Pareto) -> Vec<Header> {
    let mut random = Random::new(seed, "headers");
    let mut found = Vec::with_capacity(count);
    while let Some(filter) = random.pick(filters)
        && found.len() < count
    {
        let header = inside(filter, &mut random);
        let burst = usize::try_from(pareto.burst(&mut random)).unwrap_or(usize::MAX);
        let length = found.len().saturating_add(burst).min(count);
        found.resize(length, header);
    }
    found
}

/// Where in a range to draw.
#[derive(Clone, Copy)]
enum Point {
    First,
    Last,
    Random,
}

fn inside(filter: &Filter, random: &mut Random) -> Header {
    let corner = random.chance(500);
    let mut point = || match (corner, random.chance(500)) {
        (true, true) => Point::First,
        (true, false) => Point::Last,
        (false, _) => Point::Random,
    };
    let points = [point(), point(), point(), point()];
    let [source, destination, source_port, destination_port] = points;
    Header {
        source: address_in(&filter.source, source, random),
        destination: address_in(&filter.destination, destination, random),
        source_port: port_in(&filter.source_port, source_port, random),
        destination_port: port_in(&filter.destination_port, destination_port, random),
        protocol: match filter.protocol {
            Some(protocol) => protocol,
            None if random.chance(500) => TCP,
            None => UDP,
        },
    }
}

fn port_in(ports: &RangeInclusive<u16>, point: Point, random: &mut Random) -> u16 {
    match point {
        Point::First => *ports.start(),
        Point::Last => *ports.end(),
        Point::Random => random.between(*ports.start(), *ports.end()),
    }
}

fn address_in(net: &IpNet, point: Point, random: &mut Random) -> IpAddr {
    let prefix = Prefix::of_net(net);
    let version = match net {
        IpNet::V4(_) => IpVersion::V4,
        IpNet::V6(_) => IpVersion::V6,
    };
    let free = match point {
        Point::First => 0,
        Point::Last => u128::MAX,
        Point::Random => random.wide(),
    };
    let bits = prefix.bits() | free & !mask(prefix.length());
    address(unicast(bits, prefix.length(), version), version)
}

/// Moves an address that no packet should have, as far as the prefix leaves it free.
fn unicast(bits: u128, length: u8, version: IpVersion) -> u128 {
    let wanted = match (version, bits >> 120) {
        (IpVersion::V4, 0 | 127) => bits ^ (1 << 120),
        (IpVersion::V4, 224..) => bits ^ (1 << 125),
        (IpVersion::V4, _) => bits,
        (IpVersion::V6, _) => bits & !mask(3) | 1 << 125,
    };
    bits & mask(length) | wanted & !mask(length)
}
