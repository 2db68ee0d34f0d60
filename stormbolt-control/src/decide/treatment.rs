//! What a class does with its packets, in the form that the policer reads.

use stormbolt_common::police::{
    ClassRate, MARK_CONGESTION, NO_BORROWING, PACKET_COST_FRACTION_BITS, REWRITE_DSCP, SHADOW,
};

use crate::policy::{Class, Interface};

const SECOND_NS: u64 = 1_000_000_000;

/// Writes into `rate` how a class treats its packets on an interface.
///
/// A packet costs at least what its part of a second is. That holds packets back at the class's own bucket,
/// so a class with a limit on packets does not borrow.
pub fn write_treatment(class: &Class, interface: &Interface, shadow: bool, rate: &mut ClassRate) {
    let treatment = &class.treatment;
    let bit = |wanted: bool, bit: u8| if wanted { bit } else { 0 };
    rate.treatment = bit(treatment.ecn, MARK_CONGESTION)
        | bit(treatment.dscp.is_some(), REWRITE_DSCP)
        | bit(treatment.shadow || shadow, SHADOW);
    rate.dscp = treatment.dscp.unwrap_or(0);
    rate.overhead = interface.overhead;
    let ahead_us = treatment.ahead(class.burst).0 / 1_000;
    rate.ahead_us = u32::try_from(ahead_us).unwrap_or(u32::MAX);
    if let Some(packets) = treatment.packet_rate {
        let packets = u64::from(packets.max(1));
        let cost = (SECOND_NS << PACKET_COST_FRACTION_BITS).div_ceil(packets);
        rate.packet_cost = u32::try_from(cost).unwrap_or(u32::MAX);
        // Two packets fit, as two full frames do.
        rate.burst_ns = rate.burst_ns.max(2 * SECOND_NS.div_ceil(packets));
        rate.reserve_ns = NO_BORROWING;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{AttachMode, Treatment};
    use crate::units::{BitsPerSecond, Nanoseconds};

    fn written(treatment: Treatment, overhead: i8) -> ClassRate {
        let class = Class {
            name: String::new(),
            priority: 0,
            rate: BitsPerSecond(0),
            ceil: None,
            burst: Nanoseconds::from_millis(20),
            weight: 1,
            group: None,
            per_source: None,
            cpus: None,
            treatment,
        };
        let interface = Interface {
            name: String::new(),
            capacity: BitsPerSecond(1_000_000_000),
            mode: AttachMode::Auto,
            overhead,
            adaptive: None,
            then: None,
        };
        let mut rate = ClassRate {
            burst_ns: class.burst.0,
            ..ClassRate::default()
        };
        write_treatment(&class, &interface, false, &mut rate);
        rate
    }

    #[test]
    fn what_a_class_says_is_written() {
        let rate = written(
            Treatment {
                dscp: Some(46),
                shadow: true,
                ..Treatment::default()
            },
            -4,
        );
        assert_eq!(rate.treatment, MARK_CONGESTION | REWRITE_DSCP | SHADOW);
        assert_eq!((rate.dscp, rate.overhead), (46, -4));
    }

    #[test]
    fn burst_and_retransmissions_make_up_for_a_timeout() {
        assert_eq!(written(Treatment::default(), 0).ahead_us, 200_000);
        let off = Treatment {
            retransmit_ahead: Some(Nanoseconds(0)),
            ..Treatment::default()
        };
        assert_eq!(written(off, 0).ahead_us, 0);
    }

    proptest! {
        #[test]
        fn packets_are_held_to_their_number(packets in 4..10_000_000_u32) {
            let limited = Treatment { packet_rate: Some(packets), ..Treatment::default() };
            let rate = written(limited, 0);
            // What a second's worth of packets costs, which should be one second.
            let second = u128::from(SECOND_NS) << PACKET_COST_FRACTION_BITS;
            let spent = u128::from(rate.packet_cost) * u128::from(packets);
            prop_assert!(spent >= second && (spent - second) * 1_000 <= second);
            prop_assert!(u128::from(rate.burst_ns) << PACKET_COST_FRACTION_BITS
                >= 2 * u128::from(rate.packet_cost) - 2);
            prop_assert_eq!(rate.reserve_ns, NO_BORROWING);
        }
    }
}
