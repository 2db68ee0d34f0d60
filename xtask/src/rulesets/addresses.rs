//! Addresses: prefixes that share their beginnings, as a network's prefixes do.
//!
//! A trie says which addresses are in use: at each node either one child or both, and of both one
//! is heavier. It is never stored: a hash of a node's path says what the node is like, so that
//! walks to the same node agree.

use super::{
    family::IpVersion,
    parameters::{Scope, lengths, network_bits},
    prefix::Prefix,
    random::{Random, mix, weigh},
};

/// Source and destination addresses come from the same providers: the two tries are one to here.
const SHARED_BITS_V4: u8 = 14;
const SHARED_BITS_V6: u8 = 32;
/// The share of the walks, of 1000, that take the lighter of two children; the published skew, one
/// less the ratio of the two weights, is 0.5 near the root and less below.
const LIGHTER_NEAR_ROOT: u32 = 330;
const LIGHTER_BELOW: u32 = 420;
const NEAR_ROOT: u8 = 12;

/// The branches are spread over this many levels alike: else they would die out in some sets and
/// run riot in others, as families do.
const GROUP: u8 = 8;

/// Source or destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// A trie of the addresses in use on one side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trie {
    version: IpVersion,
    shared_key: u64,
    own_key: u64,
    /// How many bits of an address are free to choose, times 1024.
    freedom: u32,
}

impl Trie {
    /// Makes the trie of one side; on average it branches `freedom`/1024 times on the way down.
    pub(super) fn new(version: IpVersion, seed: u64, side: Side, freedom: u32) -> Self {
        let shared_key = mix(seed);
        let own_key = match side {
            Side::Source => mix(shared_key ^ 1),
            Side::Destination => mix(shared_key ^ 2),
        };
        Self {
            version,
            shared_key,
            own_key,
            freedom,
        }
    }

    /// Walks down to a prefix of `scope`.
    ///
    /// A network is divided into parts of one size, so a hash of the network chooses the length.
    /// That limits nesting to one level for each scope, as real sets have it: at most 5.
    fn draw(&self, scope: Scope, random: &mut Random) -> Prefix {
        let table = lengths(scope, self.version);
        let longest = table.iter().map(|&(length, _)| length).max().unwrap_or(0);
        let path = self.walk(longest, random);
        let network = path.shortened(network_bits(scope, self.version));
        let length = weigh(table, hash(self.own_key, network.bits(), longest));
        path.shortened(length)
    }

    /// Walks down to a prefix of `length`.
    pub(super) fn walk(&self, length: u8, random: &mut Random) -> Prefix {
        let mut bits = self.root();
        // Counts branches in units of 1/1024, from a random beginning in each group.
        let mut group = 0;
        let (first, shared) = match self.version {
            IpVersion::V4 => (0, SHARED_BITS_V4),
            IpVersion::V6 => (3, SHARED_BITS_V6),
        };
        for depth in first..length {
            let key = if depth < shared {
                self.shared_key
            } else {
                self.own_key
            };
            let mut child = hash(key, bits, depth) & 1;
            if depth == first || depth % GROUP == 0 {
                group = hash(!key, bits, depth) % 1024;
            }
            let before = group;
            group += self.branching(depth);
            let branches = before / 1024 < group / 1024;
            let lighter = if depth < NEAR_ROOT {
                LIGHTER_NEAR_ROOT
            } else {
                LIGHTER_BELOW
            };
            if branches && random.chance(lighter) {
                child ^= 1;
            }
            bits |= u128::from(child) << (127 - depth);
        }
        Prefix::new(self.usable(bits), length)
    }

    /// The bits that all addresses begin with: of IPv6, those of `2000::/3`.
    const fn root(&self) -> u128 {
        match self.version {
            IpVersion::V4 => 0,
            IpVersion::V6 => 1 << 125,
        }
    }

    /// Moves addresses away from 0.0.0.0/8, 127.0.0.0/8 and multicast, to which no filter applies.
    const fn usable(&self, bits: u128) -> u128 {
        match (self.version, bits >> 120) {
            (IpVersion::V4, 0 | 127) => bits ^ (1 << 120),
            (IpVersion::V4, 224..) => bits ^ (1 << 125),
            (IpVersion::V4 | IpVersion::V6, _) => bits,
        }
    }

    /// How many of 1024 nodes at `depth` have two children.
    fn branching(&self, depth: u8) -> u64 {
        // The proportions of the depths; `sum` is what they add up to over all depths.
        let (weight, sum) = match (self.version, depth) {
            (IpVersion::V4, 12..24) => (4, 148),
            (IpVersion::V4, _) => (5, 148),
            (IpVersion::V6, 0..32) => (4, 292),
            (IpVersion::V6, 32..48) => (5, 292),
            (IpVersion::V6, 48..64) => (2, 292),
            (IpVersion::V6, _) => (1, 292),
        };
        u64::from(self.freedom * weight / sum)
    }
}

fn hash(key: u64, bits: u128, depth: u8) -> u64 {
    let [high, low] = halves(bits);
    mix(mix(key ^ high ^ u64::from(depth)) ^ low)
}

fn halves(bits: u128) -> [u64; 2] {
    let low = bits & u128::from(u64::MAX);
    [bits >> 64, low].map(|half| u64::try_from(half).unwrap_or(0))
}

/// The prefixes of one side, from which its filters choose.
#[derive(Debug)]
pub(super) struct Pool {
    /// Of each scope, in order of the addresses; a prefix that was drawn twice is there twice.
    scopes: Vec<(Scope, Vec<Prefix>)>,
}

impl Pool {
    /// Draws as many prefixes of each scope as `demand` says.
    pub(super) fn new(trie: &Trie, demand: &[(Scope, usize)], random: &mut Random) -> Self {
        let scopes = demand.iter().map(|&(scope, count)| {
            let mut pool: Vec<_> = (0..count).map(|_| trie.draw(scope, random)).collect();
            pool.sort_unstable();
            (scope, pool)
        });
        Self {
            scopes: scopes.collect(),
        }
    }

    fn of(&self, scope: Scope) -> &[Prefix] {
        let found = self.scopes.iter().find(|&&(other, _)| other == scope);
        found.map_or(&[], |(_, pool)| pool)
    }

    pub(super) fn choose(&self, scope: Scope, random: &mut Random) -> Prefix {
        *random.pick(self.of(scope)).unwrap_or(&Prefix::ANY)
    }

    /// A prefix whose address is among the closest to that of `other`.
    pub(super) fn choose_near(&self, scope: Scope, other: Prefix, random: &mut Random) -> Prefix {
        let pool = self.of(scope);
        let near = pool.partition_point(|&prefix| prefix < other);
        let close = pool.get(near.saturating_sub(2)..pool.len().min(near + 2));
        *random
            .pick(close.unwrap_or_default())
            .unwrap_or(&Prefix::ANY)
    }
}
