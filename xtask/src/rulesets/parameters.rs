//! What each family is made of.
//!
//! The shapes follow the published analysis (Taylor and Turner 2007, sections III and IV; the IPv6
//! lengths: Matoušek et al. 2017). Approximated: the numbers are round, one table stands for the
//! several sets of a family; lengths are drawn in classes and do not depend on ports and protocol;
//! TCP flags and ICMP types, which some sets have as a sixth field, are left out.

use super::{
    family::{Family, IpVersion},
    ports::PortClass::{self, ArbitraryRange as Range, Exact, High, Low, Wildcard as Any},
    random::Random,
};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const GRE: u8 = 47;
const ESP: u8 = 50;

/// How much of an address a prefix fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// No bit: /0.
    Anywhere,
    /// What a registry hands out: /8 to /16 (IPv6: /20 to /32).
    Provider,
    /// A site's: /17 to /23 (IPv6: /36 to /48).
    Site,
    /// /24 (IPv6: /56).
    Subnet,
    /// Part of a subnet: /25 to /31 (IPv6: /64).
    Segment,
    /// One address.
    Host,
}

/// Values with their weights; only the proportion of the weights counts.
pub(super) type Table<T> = &'static [(T, u32)];

/// The parameters of one family and version.
#[derive(Debug)]
pub(super) struct Parameters {
    version: IpVersion,
    /// With ICMP for either version's.
    protocols: Table<Option<u8>>,
    /// Source and destination, for TCP and UDP; other protocols have no ports.
    pub(super) port_classes: Table<(PortClass, PortClass)>,
    /// Source and destination.
    pub(super) scopes: Table<(Scope, Scope)>,
    /// For source and destination: how many addresses there are to draw from, as the binary
    /// logarithm of their proportion to the filters. Fewer addresses are shared by more filters.
    pub(super) spread: (i16, i16),
    /// How often, per mille, a filter's destination is among those closest to its source.
    pub(super) correlation: u32,
}

impl Parameters {
    pub(super) fn of(family: Family, version: IpVersion) -> Self {
        let (spread, correlation) = match family {
            Family::Acl => ((-1, 0), 150),
            Family::Fw => ((0, 0), 250),
            Family::Ipc => ((-1, -1), 200),
        };
        Self {
            version,
            protocols: PROTOCOLS.of(family),
            port_classes: PORT_CLASSES.of(family),
            scopes: SCOPES.of(family),
            spread,
            correlation,
        }
    }

    /// Draws a protocol; none is any.
    pub(super) fn protocol(&self, random: &mut Random) -> Option<u8> {
        match (random.weighted(self.protocols), self.version) {
            (Some(ICMP), IpVersion::V6) => Some(ICMPV6),
            (protocol, IpVersion::V4 | IpVersion::V6) => protocol,
        }
    }
}

/// One value for each family.
struct PerFamily<T> {
    acl: T,
    fw: T,
    ipc: T,
}

impl<T: Copy> PerFamily<T> {
    const fn of(&self, family: Family) -> T {
        match family {
            Family::Acl => self.acl,
            Family::Fw => self.fw,
            Family::Ipc => self.ipc,
        }
    }
}

const PROTOCOLS: PerFamily<Table<Option<u8>>> = PerFamily {
    acl: &[
        (Some(TCP), 750),
        (Some(UDP), 180),
        (None, 40),
        (Some(ICMP), 30),
    ],
    fw: &[
        (Some(TCP), 550),
        (Some(UDP), 270),
        (None, 100),
        (Some(ICMP), 50),
        (Some(GRE), 15),
        (Some(ESP), 15),
    ],
    ipc: &[
        (Some(TCP), 560),
        (Some(UDP), 260),
        (None, 110),
        (Some(ICMP), 70),
    ],
};

const PORT_CLASSES: PerFamily<Table<(PortClass, PortClass)>> = PerFamily {
    acl: &[
        ((Any, Exact), 650),
        ((Any, Range), 160),
        ((Any, Any), 120),
        ((Any, High), 40),
        ((Any, Low), 5),
        ((Exact, Any), 15),
        ((Exact, Exact), 10),
    ],
    fw: &[
        ((Any, Exact), 300),
        ((Any, Any), 160),
        ((High, Exact), 130),
        ((Any, High), 70),
        ((Exact, Any), 80),
        ((Exact, High), 60),
        ((High, High), 60),
        ((Any, Range), 50),
        ((Exact, Exact), 40),
        ((High, Any), 30),
        ((Range, Any), 10),
        ((Range, Range), 10),
    ],
    ipc: &[
        ((Any, Exact), 480),
        ((Any, Any), 180),
        ((Exact, Any), 90),
        ((Exact, Exact), 80),
        ((Any, Range), 60),
        ((Any, High), 40),
        ((High, Exact), 30),
        ((Exact, High), 20),
        ((High, High), 10),
        ((Any, Low), 10),
    ],
};

const SCOPES: PerFamily<Table<(Scope, Scope)>> = {
    use Scope::{Anywhere, Host, Provider, Segment, Site, Subnet};
    PerFamily {
        acl: &[
            ((Anywhere, Host), 120),
            ((Anywhere, Segment), 40),
            ((Anywhere, Subnet), 60),
            ((Anywhere, Site), 20),
            ((Provider, Host), 40),
            ((Provider, Subnet), 20),
            ((Provider, Site), 10),
            ((Site, Host), 80),
            ((Site, Segment), 30),
            ((Site, Subnet), 40),
            ((Subnet, Host), 110),
            ((Subnet, Segment), 30),
            ((Subnet, Subnet), 50),
            ((Subnet, Site), 10),
            ((Segment, Host), 60),
            ((Segment, Segment), 30),
            ((Host, Host), 150),
            ((Host, Segment), 40),
            ((Host, Subnet), 50),
            ((Host, Provider), 10),
        ],
        fw: &[
            ((Anywhere, Host), 200),
            ((Anywhere, Segment), 50),
            ((Anywhere, Subnet), 80),
            ((Anywhere, Site), 30),
            ((Anywhere, Provider), 10),
            ((Host, Anywhere), 130),
            ((Segment, Anywhere), 30),
            ((Subnet, Anywhere), 70),
            ((Site, Anywhere), 20),
            ((Provider, Anywhere), 10),
            ((Anywhere, Anywhere), 3),
            ((Host, Host), 130),
            ((Host, Segment), 40),
            ((Host, Subnet), 40),
            ((Segment, Segment), 40),
            ((Segment, Host), 50),
            ((Subnet, Host), 40),
            ((Subnet, Subnet), 20),
            ((Site, Host), 7),
        ],
        ipc: &[
            ((Host, Host), 320),
            ((Host, Segment), 90),
            ((Segment, Host), 80),
            ((Segment, Segment), 40),
            ((Subnet, Host), 90),
            ((Host, Subnet), 80),
            ((Subnet, Subnet), 70),
            ((Site, Host), 40),
            ((Host, Site), 30),
            ((Site, Site), 20),
            ((Provider, Host), 20),
            ((Anywhere, Host), 50),
            ((Anywhere, Subnet), 20),
            ((Host, Anywhere), 40),
            ((Subnet, Anywhere), 10),
        ],
    }
};

/// The prefix lengths of a scope.
pub(super) const fn lengths(scope: Scope, version: IpVersion) -> Table<u8> {
    match (version, scope) {
        (_, Scope::Anywhere) => &[(0, 1)],
        (IpVersion::V4, Scope::Provider) => {
            &[(8, 15), (12, 5), (13, 5), (14, 10), (15, 10), (16, 55)]
        }
        (IpVersion::V4, Scope::Site) => &[
            (17, 5),
            (18, 8),
            (19, 10),
            (20, 20),
            (21, 20),
            (22, 20),
            (23, 17),
        ],
        (IpVersion::V4, Scope::Subnet) => &[(24, 1)],
        (IpVersion::V4, Scope::Segment) => &[
            (25, 10),
            (26, 12),
            (27, 15),
            (28, 20),
            (29, 15),
            (30, 20),
            (31, 8),
        ],
        (IpVersion::V4, Scope::Host) => &[(32, 1)],
        (IpVersion::V6, Scope::Provider) => &[(20, 5), (24, 5), (28, 10), (29, 15), (32, 65)],
        (IpVersion::V6, Scope::Site) => &[(36, 6), (40, 12), (44, 12), (48, 70)],
        (IpVersion::V6, Scope::Subnet) => &[(52, 8), (56, 72), (60, 20)],
        (IpVersion::V6, Scope::Segment) => &[(64, 1)],
        (IpVersion::V6, Scope::Host) => &[(128, 1)],
    }
}

/// How many bits tell apart the networks of which each chooses one length for a scope.
pub(super) const fn network_bits(scope: Scope, version: IpVersion) -> u8 {
    match (version, scope) {
        (_, Scope::Anywhere) => 0,
        (IpVersion::V4, Scope::Provider) => 8,
        (IpVersion::V4, Scope::Site) => 16,
        (IpVersion::V4, Scope::Subnet | Scope::Segment | Scope::Host) => 24,
        (IpVersion::V6, Scope::Provider) => 20,
        (IpVersion::V6, Scope::Site) => 32,
        (IpVersion::V6, Scope::Subnet | Scope::Segment | Scope::Host) => 48,
    }
}
