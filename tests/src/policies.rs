//! Random rules that overlap.

use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use stormbolt_control::policy::{
    Accepts, Action, Addresses, FragmentMatch, Range, Rule, RuleMatch, Set, TcpFlagsMatch,
};

/// Table indices of the interfaces that the rules refer to: not their positions.
pub const INTERFACES: [u32; 3] = [5, 0, 15];

/// Classes that the rules refer to.
pub const CLASSES: usize = 3;

/// Sets that the rules refer to.
pub const SETS: usize = 4;

/// Rules, first match wins, and the sets that they refer to.
#[derive(Clone, Debug, Default)]
pub struct RuleList {
    /// The rules.
    pub rules: Vec<Arc<Rule>>,
    /// The sets.
    pub sets: Vec<Arc<Set>>,
}

impl RuleList {
    /// Rules that refer to no sets.
    pub fn of(rules: Vec<Rule>) -> Self {
        Self {
            rules: rules.into_iter().map(Arc::new).collect(),
            sets: Vec::new(),
        }
    }
}

/// A list of rules: mostly short, seldom as long as fits.
pub fn rules() -> impl Strategy<Value = RuleList> {
    let rules = prop_oneof![
        60 => vec(rule(), 0..12),
        16 => vec(rule(), 12..150),
        1 => vec(rule(), 400..1000),
    ];
    (rules, sets()).prop_map(|(rules, sets)| RuleList {
        sets,
        ..RuleList::of(rules)
    })
}

/// Sets, mostly small: some are empty, some large.
pub fn sets() -> impl Strategy<Value = Vec<Arc<Set>>> {
    let prefixes = prop_oneof![
        8 => vec(prefix(), 0..8),
        1 => vec(prefix(), 50..200),
    ];
    vec(prefixes, SETS).prop_map(|sets| {
        let numbered = sets.into_iter().enumerate();
        let named =
            numbered.map(|(number, prefixes)| Arc::new(Set::new(format!("s{number}"), prefixes)));
        named.collect()
    })
}

/// One rule. A field is given in a third of all rules, so that many rules match a packet.
pub fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![
        6 => (0..CLASSES).prop_map(Action::Class),
        1 => Just(Action::Pass),
        1 => Just(Action::Drop),
    ];
    (matches(), action).prop_map(|(matches, action)| Rule {
        name: "rule".to_owned(),
        matches,
        action,
    })
}

fn matches() -> impl Strategy<Value = RuleMatch> {
    let sides = (field(addresses()), field(addresses()));
    let transport = (
        field(accepts(port_range(), 0..4)),
        field(accepts(port_range(), 0..4)),
        field(accepts(protocol(), 0..4)),
        rarely(tcp_flags()),
        rarely(accepts(range(0..=255_u8), 0..3)),
    );
    let rest = (
        rarely(accepts(range(0..=63_u8), 0..3)),
        rarely(accepts(range(0..=4095_u16), 0..3)),
        rarely(accepts(fragment(), 0..3)),
        rarely(accepts(range(0..=16_383_u16), 0..3)),
        rarely(accepts(0..INTERFACES.len(), 0..3)),
    );
    (sides, transport, rest).prop_map(
        |(
            (source, destination),
            (source_port, destination_port, protocol, tcp_flags, icmp_type),
            (dscp, vlan, fragment, length, interface),
        )| RuleMatch {
            source,
            destination,
            source_port,
            destination_port,
            protocol,
            dscp,
            vlan,
            tcp_flags,
            fragment,
            icmp_type,
            length,
            interface,
        },
    )
}

fn field<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    weighted(0.33, strategy)
}

fn rarely<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    weighted(0.12, strategy)
}

/// A field that one time in four accepts everything but what is listed.
fn accepts<T: std::fmt::Debug>(
    entry: impl Strategy<Value = T>,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Accepts<T>> {
    (negated(), vec(entry, count)).prop_map(|(negated, any_of)| Accepts { negated, any_of })
}

fn negated() -> impl Strategy<Value = bool> {
    proptest::bool::weighted(0.25)
}

fn addresses() -> impl Strategy<Value = Addresses> {
    let sets = prop_oneof![
        2 => Just(Vec::new()),
        1 => vec(0..SETS, 1..3),
    ];
    (negated(), vec(prefix(), 0..4), sets).prop_map(|(negated, prefixes, sets)| Addresses {
        negated,
        prefixes,
        sets,
    })
}

/// Prefixes out of a small space, so that one often lies in another; at times one that stands on
/// the border between the families.
fn prefix() -> impl Strategy<Value = IpNet> {
    let ipv4 = (
        select(vec![10_u8, 11, 192]),
        0..4_u8,
        select(vec![0, 1, 255_u8]),
        any::<u8>(),
    );
    let ipv4 = (ipv4, 0..=32_u8).prop_map(|((a, b, c, d), length)| {
        IpNet::V4(Ipv4Net::new([a, b, c, d].into(), length).unwrap().trunc())
    });
    let ipv6 = (
        select(vec![0x2001_0db8_u32, 0x2001_0db9]),
        0..4_u32,
        any::<u64>(),
    );
    let ipv6 = (ipv6, 0..=128_u8).prop_map(|((high, next, low), length)| {
        let address = u128::from(high) << 96 | u128::from(next) << 64 | u128::from(low);
        IpNet::V6(Ipv6Net::new(address.into(), length).unwrap().trunc())
    });
    let border = (
        select(vec![0xffff_u64 << 32, 0xfffe << 32, 0xffff_0a00_0000, 0]),
        64..=112_u8,
    );
    let border = border.prop_map(|(low, length)| {
        IpNet::V6(
            Ipv6Net::new(u128::from(low).into(), length)
                .unwrap()
                .trunc(),
        )
    });
    prop_oneof![6 => ipv4, 6 => ipv6, 1 => border]
}

fn port_range() -> impl Strategy<Value = Range<u16>> {
    prop_oneof![
        3 => (0..2000_u16, 0..50_u16),
        1 => any::<u16>().prop_map(|first| (first, 0)),
        1 => (any::<u16>(), any::<u16>()),
    ]
    .prop_map(|(first, more)| Range {
        first,
        last: first.saturating_add(more),
    })
}

fn range<T>(values: std::ops::RangeInclusive<T>) -> impl Strategy<Value = Range<T>>
where
    T: Copy + Ord + std::fmt::Debug + 'static,
    std::ops::RangeInclusive<T>: Strategy<Value = T>,
{
    (values.clone(), values).prop_map(|(one, other)| Range {
        first: one.min(other),
        last: one.max(other),
    })
}

fn protocol() -> impl Strategy<Value = u8> {
    prop_oneof![
        8 => select(vec![6_u8, 17, 1, 58, 132]),
        1 => any::<u8>(),
    ]
}

fn tcp_flags() -> impl Strategy<Value = TcpFlagsMatch> {
    let flags = (any::<u8>(), any::<u8>(), any::<bool>());
    (negated(), flags).prop_map(|(negated, (mask, set, narrow))| {
        let mask = if narrow { mask & 0x12 } else { mask };
        TcpFlagsMatch {
            negated,
            mask,
            set: set & mask,
        }
    })
}

fn fragment() -> impl Strategy<Value = FragmentMatch> {
    select(vec![
        FragmentMatch::No,
        FragmentMatch::First,
        FragmentMatch::Later,
        FragmentMatch::Any,
    ])
}
