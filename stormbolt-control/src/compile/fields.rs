//! What a rule accepts of every header value but the addresses.

use stormbolt_common::classifier::{
    Fragment, LANES, MAX_LENGTH, NO_PORT, NOT_ICMP, NOT_TCP, UNTAGGED, lane,
};
use stormbolt_common::limits::MAX_INTERFACES;

use super::intervals::{Interval, Intervals};
use crate::policy::{Accepts, FragmentMatch, Range, RuleMatch, TcpFlagsMatch};

/// The first lane that is no part of an address.
pub(super) const FIRST_FIELD: u32 = lane::SOURCE_PORT;
/// Lanes from [`FIRST_FIELD`] on.
pub(super) const FIELDS: usize = LANES - 8;

/// Values by field: index 0 is lane [`FIRST_FIELD`].
pub(super) type ByField<T> = [T; FIELDS];

/// Index of a lane among the fields.
pub(super) const fn field(lane: u32) -> usize {
    // Lanes are small constants, all of them at least `FIRST_FIELD` here.
    #[expect(clippy::as_conversions, reason = "`From` is not const")]
    let index = (lane - FIRST_FIELD) as usize;
    index
}

/// What one rule accepts, field by field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fields {
    /// Accepted values. A rule that does not look at a field accepts its whole
    /// [domain](domains), the value for "not there" included.
    pub(super) accepted: ByField<Intervals>,
    /// TCP flags as the rule has them; the accepted values say the same.
    pub(super) tcp_flags: Option<TcpFlagsMatch>,
}

/// All values that each field can have. `classes` is the number of classes of sets.
pub(super) fn domains(classes: u32) -> ByField<Interval> {
    let up_to = |last| Interval { first: 0, last };
    let sets = up_to(classes.saturating_sub(1));
    [
        up_to(NO_PORT),
        up_to(NO_PORT),
        up_to(255),
        sets,
        sets,
        up_to(63),
        up_to(UNTAGGED),
        up_to(NOT_TCP),
        up_to(2),
        up_to(NOT_ICMP),
        up_to(MAX_LENGTH),
        up_to(MAX_INTERFACES - 1),
    ]
}

impl Fields {
    /// The fields of a rule; the sets of its addresses are filled in by the caller.
    pub(super) fn of(matches: &RuleMatch, interfaces: &[u32], domains: &ByField<Interval>) -> Self {
        let mut accepted = domains.map(|all| Intervals::any_of([(all.first, all.last)]));
        let mut set = |lane: u32, values: Option<Intervals>| {
            if let (Some(values), Some(slot)) = (values, accepted.get_mut(field(lane))) {
                *slot = values;
            }
        };
        let port = NO_PORT - 1;
        set(
            lane::SOURCE_PORT,
            ranges(matches.source_port.as_ref(), port),
        );
        set(
            lane::DESTINATION_PORT,
            ranges(matches.destination_port.as_ref(), port),
        );
        let protocol = |&number: &u8| (u32::from(number), u32::from(number));
        set(
            lane::PROTOCOL,
            values(matches.protocol.as_ref(), 255, protocol),
        );
        set(lane::DSCP, ranges(matches.dscp.as_ref(), 63));
        set(lane::VLAN, ranges(matches.vlan.as_ref(), UNTAGGED - 1));
        set(lane::TCP_FLAGS, matches.tcp_flags.map(flags));
        set(
            lane::FRAGMENT,
            values(matches.fragment.as_ref(), 2, |&wanted| fragments(wanted)),
        );
        set(
            lane::ICMP_TYPE,
            ranges(matches.icmp_type.as_ref(), NOT_ICMP - 1),
        );
        set(lane::LENGTH, ranges(matches.length.as_ref(), MAX_LENGTH));
        let number = |&position: &usize| match interfaces.get(position) {
            Some(&number) => (number, number),
            None => (1, 0),
        };
        set(
            lane::INTERFACE,
            values(matches.interface.as_ref(), MAX_INTERFACES - 1, number),
        );
        Self {
            accepted,
            tcp_flags: matches.tcp_flags,
        }
    }

    /// Whether the rule accepts no packet at all.
    pub(super) fn is_impossible(&self) -> bool {
        self.accepted.iter().any(Intervals::is_empty)
    }
}

/// The values that a list accepts, of those from zero to `highest`.
fn values<T>(
    list: Option<&Accepts<T>>,
    highest: u32,
    interval: impl Fn(&T) -> (u32, u32),
) -> Option<Intervals> {
    let list = list?;
    let listed = Intervals::any_of(list.any_of.iter().map(interval));
    Some(if list.negated {
        listed.complement(highest)
    } else {
        listed
    })
}

fn ranges<T: Copy + Into<u32>>(
    list: Option<&Accepts<Range<T>>>,
    highest: u32,
) -> Option<Intervals> {
    values(list, highest, |range| {
        (range.first.into(), range.last.into())
    })
}

fn flags(wanted: TcpFlagsMatch) -> Intervals {
    let accepts = |flags: &u8| (flags & wanted.mask == wanted.set) != wanted.negated;
    let accepted = (0..=u8::MAX).filter(accepts).map(u32::from);
    Intervals::any_of(accepted.map(|flags| (flags, flags)))
}

fn fragments(wanted: FragmentMatch) -> (u32, u32) {
    let number = |fragment| match fragment {
        Fragment::Whole => 0,
        Fragment::First => 1,
        Fragment::Later => 2,
    };
    let (first, last) = match wanted {
        FragmentMatch::No => (Fragment::Whole, Fragment::Whole),
        FragmentMatch::First => (Fragment::First, Fragment::First),
        FragmentMatch::Later => (Fragment::Later, Fragment::Later),
        FragmentMatch::Any => (Fragment::First, Fragment::Later),
    };
    (number(first), number(last))
}
