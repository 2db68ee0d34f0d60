//! Random rules that overlap.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use stormbolt_common::limits::MAX_RULES;
use stormbolt_control::policy::{Action, FragmentMatch, Range, Rule, RuleMatch, TcpFlagsMatch};

/// Table indices of the interfaces that the rules refer to: not their positions.
pub const INTERFACES: [u32; 3] = [5, 0, 15];

/// Classes that the rules refer to.
pub const CLASSES: usize = 3;

/// A list of rules, first match wins: mostly short, seldom as long as fits.
pub fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let most = usize::try_from(MAX_RULES).unwrap();
    prop_oneof![
        60 => vec(rule(), 0..12),
        16 => vec(rule(), 12..150),
        1 => vec(rule(), most - 24..=most),
    ]
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
    let addresses = (field(vec(prefix(), 0..4)), field(vec(prefix(), 0..4)));
    let transport = (
        field(vec(port_range(), 0..4)),
        field(vec(port_range(), 0..4)),
        field(vec(protocol(), 0..4)),
        rarely(tcp_flags()),
        rarely(vec(range(0..=255_u8), 0..3)),
    );
    let rest = (
        rarely(vec(range(0..=63_u8), 0..3)),
        rarely(vec(range(0..=4095_u16), 0..3)),
        rarely(fragment()),
        rarely(vec(range(0..=16_383_u16), 0..3)),
        rarely(vec(0..INTERFACES.len(), 0..3)),
    );
    (addresses, transport, rest).prop_map(
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
    (any::<u8>(), any::<u8>(), any::<bool>()).prop_map(|(mask, set, narrow)| {
        let mask = if narrow { mask & 0x12 } else { mask };
        TcpFlagsMatch {
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
