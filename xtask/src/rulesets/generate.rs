//! Puts filters together and in order.

use std::{collections::HashSet, ops::RangeInclusive};

use super::{
    addresses::{Pool, Side, Trie},
    family::{Family, IpVersion},
    filter::Filter,
    parameters::{Parameters, Scope, TCP, UDP},
    ports::{PortClass, Ports},
    prefix::Prefix,
    random::Random,
};

/// Prefixes to draw of each scope at least, so that small sets vary too.
const SMALLEST_POOL: usize = 16;
/// How many repetitions in a row mean that the pools are used up.
const PATIENCE: u32 = 1000;
/// How far, in bits of specificity, a filter may be from its place; real sets are not quite sorted.
const DISORDER: u64 = 8;

/// Makes `count` different filters, the more specific ones first, as first match needs it.
///
/// The order is a little untidy, as in real sets: a few filters, well below 3 %, lie wholly in an
/// earlier one. There is no catch-all that would match every packet before the end. The same
/// arguments give the same filters; sets of other sizes or seeds have nothing in common.
///
/// ```
/// use xtask::rulesets::{Family, IpVersion, filters};
///
/// let set = filters(Family::Acl, IpVersion::V4, 1000, 1);
/// assert_eq!(set.len(), 1000);
/// println!("{}", set[0]);
/// ```
pub fn filters(family: Family, version: IpVersion, count: usize, seed: u64) -> Vec<Filter> {
    let mut random = Random::new(seed, &format!("{family}{version}"));
    let mut maker = Maker::new(family, version, count, &mut random);
    let mut distinct = HashSet::with_capacity(count);
    let mut found = Vec::with_capacity(count);
    let mut repeated = 0;
    while found.len() < count {
        let filter = maker.make(&mut random, repeated > PATIENCE);
        if distinct.insert(filter.clone()) {
            found.push((Place::of(&filter, &mut random), filter));
            repeated = 0;
        } else {
            repeated += 1;
        }
    }
    found.sort_by_key(|&(place, _)| place);
    found.into_iter().map(|(_, filter)| filter).collect()
}

/// What the filters of one set are made from.
struct Maker {
    version: IpVersion,
    parameters: Parameters,
    ports: Ports,
    trie: Trie,
    sources: Pool,
    destinations: Pool,
}

impl Maker {
    fn new(family: Family, version: IpVersion, count: usize, random: &mut Random) -> Self {
        let parameters = Parameters::of(family, version);
        let key = random.word();
        let trie = |side, spread| Trie::new(version, key, side, freedom(count, spread));
        let (spread_of_sources, spread_of_destinations) = parameters.spread;
        let source_trie = trie(Side::Source, spread_of_sources);
        let trie = trie(Side::Destination, spread_of_destinations);
        let demand = |side| demand(parameters.scopes, count, side);
        Self {
            version,
            ports: Ports::new(random),
            trie,
            sources: Pool::new(&source_trie, &demand(Side::Source), random),
            destinations: Pool::new(&trie, &demand(Side::Destination), random),
            parameters,
        }
    }

    /// Makes a filter, perhaps one that there is already; never if `fresh`.
    fn make(&mut self, random: &mut Random, fresh: bool) -> Filter {
        let (source_scope, destination_scope) = random.weighted(self.parameters.scopes);
        let source = self.sources.choose(source_scope, random);
        let anywhere = [source_scope, destination_scope].contains(&Scope::Anywhere);
        let destination = if fresh {
            Prefix::new(
                self.trie.walk(8, random).bits() | random.wide() >> 8,
                self.version.bits(),
            )
        } else if !anywhere && random.chance(self.parameters.correlation) {
            self.destinations
                .choose_near(destination_scope, source, random)
        } else {
            self.destinations.choose(destination_scope, random)
        };
        let protocol = self.parameters.protocol(random);
        let (source_class, destination_class) = match protocol {
            Some(TCP | UDP) => random.weighted(self.parameters.port_classes),
            Some(_) | None => (PortClass::Wildcard, PortClass::Wildcard),
        };
        Filter {
            source: source.to_net(self.version),
            destination: destination.to_net(self.version),
            source_port: self.ports.choose(source_class, random),
            destination_port: self.ports.choose(destination_class, random),
            protocol,
        }
    }
}

/// The free bits of an address, times 1024, for `count` filters and a spread.
fn freedom(count: usize, spread: i16) -> u32 {
    let filters = u32::try_from(count).unwrap_or(u32::MAX).max(2);
    // The binary logarithm, linear between the powers of two.
    let whole = filters.ilog2();
    let rest = (u64::from(filters) << 10 >> whole) - 1024;
    let bits =
        i64::from(whole) * 1024 + i64::try_from(rest).unwrap_or(0) + i64::from(spread) * 1024;
    u32::try_from(bits.max(4 * 1024)).unwrap_or(0)
}

/// How many prefixes of each scope one side needs.
fn demand(scopes: &[((Scope, Scope), u32)], count: usize, side: Side) -> Vec<(Scope, usize)> {
    let mut demand: Vec<(Scope, u32)> = Vec::new();
    for &((source, destination), weight) in scopes {
        let scope = match side {
            Side::Source => source,
            Side::Destination => destination,
        };
        match demand.iter_mut().find(|(other, _)| *other == scope) {
            Some((_, sum)) => *sum += weight,
            None => demand.push((scope, weight)),
        }
    }
    let total: u32 = demand.iter().map(|&(_, weight)| weight).sum();
    let share = |weight| {
        let share = u64::try_from(count)
            .unwrap_or(u64::MAX)
            .saturating_mul(u64::from(weight));
        usize::try_from(share / u64::from(total.max(1))).unwrap_or(usize::MAX)
    };
    demand
        .into_iter()
        .map(|(scope, weight)| match scope {
            Scope::Anywhere => (scope, 1),
            Scope::Provider | Scope::Site | Scope::Subnet | Scope::Segment | Scope::Host => {
                (scope, share(weight).max(SMALLEST_POOL))
            }
        })
        .collect()
}

/// The place of a filter in its set: first the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    catch_all: bool,
    /// The bits that are free, with some disorder.
    free_bits: u64,
    /// Tells apart ranges of almost the same size.
    ports: u32,
}

impl Place {
    fn of(filter: &Filter, random: &mut Random) -> Self {
        let nets = [&filter.source, &filter.destination];
        let free: u32 = nets
            .map(|net| u32::from(net.max_prefix_len() - net.prefix_len()))
            .iter()
            .sum();
        let ports = [&filter.source_port, &filter.destination_port].map(width);
        let free_ports: u32 = ports.iter().map(|width| width.ilog2()).sum();
        let free_protocol = if filter.protocol.is_none() { 8 } else { 0 };
        Self {
            catch_all: nets.iter().all(|net| net.prefix_len() == 0)
                && free_ports == 32
                && filter.protocol.is_none(),
            free_bits: u64::from(free + free_ports + free_protocol) + random.below(DISORDER),
            ports: ports.iter().sum(),
        }
    }
}

fn width(ports: &RangeInclusive<u16>) -> u32 {
    u32::from(ports.end() - ports.start()) + 1
}
