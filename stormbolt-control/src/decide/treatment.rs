//! What a class does with its packets, in the form that the policer reads.

use stormbolt_common::police::{
    BLOCKED, COST_FRACTION_BITS, CREDIT_FRACTION_BITS, ClassRate, MARK_CONGESTION,
    MOST_OF_A_PACKET, NO_BORROWING, REWRITE_DSCP, SHADOW,
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
        write_least(packets, rate);
        // Two packets fit, as two full frames do.
        rate.burst_ns = rate.burst_ns.max(2 * SECOND_NS.div_ceil(packets));
        rate.reserve_ns = NO_BORROWING;
    }
}

/// Lets each packet take as much of the rate as so many in a second may.
fn write_least(packets: u64, rate: &mut ClassRate) {
    let packet = u128::from(SECOND_NS) << (COST_FRACTION_BITS + CREDIT_FRACTION_BITS);
    let packet = packet.div_ceil(u128::from(packets));
    if matches!(rate.cost_per_byte, 0 | BLOCKED) {
        return;
    }
    let least = packet.div_ceil(u128::from(rate.cost_per_byte));
    rate.least = match u32::try_from(least) {
        Ok(least) if least < MOST_OF_A_PACKET => least,
        _ => {
            let cost_per_byte = packet.div_ceil(u128::from(MOST_OF_A_PACKET));
            rate.cost_per_byte = u64::try_from(cost_per_byte).unwrap_or(BLOCKED);
            MOST_OF_A_PACKET
        }
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decide::class_rate;
    use crate::policy::{AttachMode, Treatment};
    use crate::units::{BitsPerSecond, Nanoseconds};

    const BURST: Nanoseconds = Nanoseconds::from_millis(20);

    fn written(treatment: Treatment, overhead: i8) -> ClassRate {
        let before = ClassRate {
            burst_ns: BURST.0,
            ..ClassRate::default()
        };
        written_into(before, treatment, overhead)
    }

    fn written_into(mut rate: ClassRate, treatment: Treatment, overhead: i8) -> ClassRate {
        let class = Class {
            name: String::new(),
            priority: 0,
            rate: BitsPerSecond(0),
            ceil: None,
            burst: BURST,
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
        fn packets_are_held_to_their_number(
            packets in 4..10_000_000_u32,
            bits_per_second in 100_000..400_000_000_000_u64,
        ) {
            let limited = Treatment { packet_rate: Some(packets), ..Treatment::default() };
            let before = class_rate(BitsPerSecond(bits_per_second), Nanoseconds(0), 1);
            let rate = written_into(before, limited, 0);
            let packet = u128::from(rate.least) * u128::from(rate.cost_per_byte);
            // What a second's worth of packets costs, which should be one second.
            let second = u128::from(SECOND_NS) << (COST_FRACTION_BITS + CREDIT_FRACTION_BITS);
            let spent = packet * u128::from(packets);
            // Whoever sends more packets than fit the rate, of less than 62 bytes, is held to the rate.
            prop_assume!(rate.least >= 62 << CREDIT_FRACTION_BITS);
            prop_assert!(spent >= second && (spent - second) * 900 <= second, "{rate:?}");
            prop_assert!(u128::from(rate.burst_ns) << (COST_FRACTION_BITS + CREDIT_FRACTION_BITS)
                >= 2 * packet - packet / 500);
            prop_assert_eq!(rate.reserve_ns, NO_BORROWING);
            // Long frames cost their bytes' time still, where they take longer than a packet may.
            prop_assert!(rate.cost_per_byte == before.cost_per_byte || rate.least == MOST_OF_A_PACKET);
        }
    }
}
