//! Time at a rate, and the credit that it pays for.

use stormbolt_common::police::{
    BLOCKED, COST_FRACTION_BITS, CREDIT_FRACTION_BITS, ClassRate, InterfaceRate,
};

use super::bucket::{earlier, later};
use super::renew::may_borrow;

/// Fraction bits of a time that is a cost per byte times a credit.
const FRACTION_BITS: u32 = COST_FRACTION_BITS + CREDIT_FRACTION_BITS;

/// Beyond these a product would not fit 64 bits: a byte takes a hundredth of a second, a time a quarter of an hour.
/// There the fraction of a cost no longer matters.
const DEAR: u64 = 1 << 43;
const LONG_NS: u64 = 1 << 40;

/// The time that a credit ([`stormbolt_common::counters::Lease::credit`]) takes at a cost, in ns, rounded down.
#[inline(always)]
pub(super) const fn time_of(credit: u64, cost_per_byte: u64) -> u64 {
    if cost_per_byte < DEAR {
        credit.wrapping_mul(cost_per_byte) >> FRACTION_BITS
    } else {
        credit.wrapping_mul(cost_per_byte >> FRACTION_BITS)
    }
}

/// The credit that a time pays for at a cost, rounded down; at no cost none.
#[inline(always)]
pub(super) fn credit_of(time_ns: u64, cost_per_byte: u64) -> u64 {
    // No cost is zero where this is asked; the compiler does not know.
    let credit = if time_ns < LONG_NS {
        (time_ns << FRACTION_BITS).checked_div(cost_per_byte)
    } else {
        time_ns.checked_div(cost_per_byte >> FRACTION_BITS)
    };
    credit.unwrap_or(0)
}

/// The most that one CPU takes of a class at once, or borrows for it: what its rate passes in the time of a lease,
/// or what its ceil and the interface's capacity pass in that of a loan.
#[inline(always)]
pub fn longest_lease(rate: &ClassRate, interface: &InterfaceRate) -> u64 {
    let own = if rate.cost_per_byte == BLOCKED {
        0
    } else {
        credit_of(rate.lease_ns.into(), rate.cost_per_byte)
    };
    let mut borrowed = 0;
    if may_borrow(rate, interface) {
        borrowed = credit_of(rate.loan_ns.into(), interface.cost_per_byte);
        if rate.ceil_cost_per_byte != 0 {
            let below_ceil = credit_of(rate.loan_ns.into(), rate.ceil_cost_per_byte);
            borrowed = earlier(borrowed, below_ceil);
        }
    }
    later(own, borrowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use stormbolt_common::police::NO_BORROWING;

    use super::*;

    /// A nanosecond for a byte.
    const COST_FRACTION: u64 = 1 << COST_FRACTION_BITS;

    proptest! {
        #[test]
        fn the_time_of_a_credit_and_one_nanosecond_pays_for_it(
            credit in 0..1_u64 << 20,
            bits_per_second in 8_000..400_000_000_000_u64,
        ) {
            let cost_per_byte = (8_000_000_000 << COST_FRACTION_BITS) / bits_per_second;
            let time_ns = time_of(credit, cost_per_byte);
            prop_assert!(credit_of(time_ns, cost_per_byte) <= credit);
            prop_assert!(credit_of(time_ns + 1, cost_per_byte) >= credit);
        }

        #[test]
        fn no_cost_overflows(credit in 0..1_u64 << 21, cost_per_byte: u64) {
            let exact = (u128::from(credit) * u128::from(cost_per_byte)) >> FRACTION_BITS;
            let time_ns = u128::from(time_of(credit, cost_per_byte));
            prop_assert!(time_ns <= exact);
            // Half a millionth of a cost, and less than a nanosecond.
            prop_assert!(time_ns + (exact >> 19) + 1 >= exact);
        }
    }

    #[test]
    fn what_a_cpu_may_keep_is_a_lease_at_the_rate_or_a_loan_at_the_ceil() {
        let interface = InterfaceRate {
            cost_per_byte: COST_FRACTION,
            ..InterfaceRate::default()
        };
        let rate = ClassRate {
            cost_per_byte: 8 << COST_FRACTION_BITS,
            lease_ns: 1_000,
            loan_ns: 500,
            reserve_ns: NO_BORROWING,
            ..ClassRate::default()
        };
        assert_eq!(longest_lease(&rate, &interface), 125 * 16);
        let blocked = ClassRate {
            cost_per_byte: BLOCKED,
            ..rate
        };
        assert_eq!(longest_lease(&blocked, &interface), 0);
        let at_ceil = ClassRate {
            reserve_ns: 0,
            ceil_cost_per_byte: 2 * COST_FRACTION,
            ..blocked
        };
        assert_eq!(longest_lease(&at_ceil, &interface), 250 * 16);
        let without_ceil = ClassRate {
            ceil_cost_per_byte: 0,
            ..at_ceil
        };
        assert_eq!(longest_lease(&without_ceil, &interface), 500 * 16);
        let lends_nothing = InterfaceRate::LENDS_NOTHING;
        assert_eq!(longest_lease(&without_ceil, &lends_nothing), 0);
    }
}
