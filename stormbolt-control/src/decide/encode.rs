//! A rate in the form that the policer reads.

use stormbolt_common::police::{BLOCKED, COST_FRACTION_BITS, ClassRate, FULL_FRAME_BYTES};

use crate::units::{BitsPerSecond, Nanoseconds};

/// Below this nothing passes: a full frame would take ten seconds, and its cost would not fit the
/// policer's arithmetic. Policies name no such rate, but it can be all that is left over.
const MIN_RATE: BitsPerSecond = BitsPerSecond(1_000);

/// The longest that a class owes a frame for: what others of the class wait behind it then.
const MAX_OVERDRAFT: Nanoseconds = Nanoseconds::from_millis(20);

/// The shortest lease worth taking: a few looks at the clock.
const MIN_LEASE_NS: u64 = 1_000;

/// The longest lease: what a CPU may have taken and not spent when a rate falls.
const MAX_LEASE_NS: u64 = 1_000_000;

/// Writes a rate as the policer reads it. Where the class is steered is left for the caller to set.
///
/// Where a full frame takes longer than [`MAX_OVERDRAFT`], the bucket is no shallower than two of them, or a slow class (20 ms
/// at 100 kbit/s are 250 bytes) could not pass a single packet. Room that is made only for
/// the packet that asks would not do: shorter packets in between would keep the bucket from ever filling that far. Faster
/// classes have the depth that is asked for: they owe what a frame costs more than is there.
///
/// All `cpus` together hold at most a quarter of the bucket in leases, so that a CPU that comes
/// last still finds most of it. Below 1 µs a lease would cost more than it saves; above 1 ms a CPU
/// that goes idle would sit on tokens that others want. No lease is larger than the bucket.
pub fn class_rate(rate: BitsPerSecond, burst: Nanoseconds, cpus: u32) -> ClassRate {
    if rate < MIN_RATE {
        return ClassRate {
            cost_per_byte: BLOCKED,
            burst_ns: burst.0,
            lease_ns: loan_ns(burst.0, cpus),
            ..ClassRate::default()
        };
    }
    let two_frames_ns = time_of_two_frames(rate);
    let least_ns = if two_frames_ns > 2 * MAX_OVERDRAFT.0 {
        two_frames_ns
    } else {
        // Zero would mean that the bucket never holds anything.
        1
    };
    let burst_ns = burst.0.max(least_ns);
    ClassRate {
        cost_per_byte: cost_per_byte(rate),
        burst_ns,
        lease_ns: loan_ns(burst_ns, cpus),
        ..ClassRate::default()
    }
}

/// Time that a byte takes at `rate`, in the policer's unit.
pub(super) fn cost_per_byte(rate: BitsPerSecond) -> u64 {
    if rate < MIN_RATE {
        return BLOCKED;
    }
    let bits_per_second = u128::from(rate.0);
    let byte_second = 8_000_000_000_u128 << COST_FRACTION_BITS;
    // Zero would mean unlimited; from 16,777 Tbit/s up a byte costs less than the unit.
    saturated((byte_second + bits_per_second / 2) / bits_per_second).max(1)
}

/// Time that two full frames take at `rate`, in ns.
pub(super) fn time_of_two_frames(rate: BitsPerSecond) -> u64 {
    let bits = u128::from(2 * FULL_FRAME_BYTES) * 8_000_000_000;
    bits.checked_div(u128::from(rate.0))
        .map_or(u64::MAX, |ns| saturated(ns + 1))
}

/// What each of `cpus` takes at once out of a bucket of `burst_ns`.
pub(super) fn loan_ns(burst_ns: u64, cpus: u32) -> u32 {
    let holders = u64::from(cpus.max(1)) * 4;
    let loan_ns = (burst_ns / holders)
        .clamp(MIN_LEASE_NS, MAX_LEASE_NS)
        .min(burst_ns);
    // The longest one fits.
    u32::try_from(loan_ns).unwrap_or(u32::MAX)
}

fn saturated(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BURST: Nanoseconds = Nanoseconds::from_millis(20);

    #[test]
    fn a_rate_of_zero_blocks() {
        assert_eq!(
            class_rate(BitsPerSecond::ZERO, BURST, 2).cost_per_byte,
            BLOCKED
        );
    }

    #[test]
    fn one_gigabit_costs_eight_nanoseconds_a_byte() {
        let encoded = class_rate(BitsPerSecond(1_000_000_000), BURST, 2);
        assert_eq!(encoded.cost_per_byte, 8 << COST_FRACTION_BITS);
        assert_eq!(encoded.burst_ns, 20_000_000);
        assert_eq!(encoded.lease_ns, 1_000_000);
    }

    #[test]
    fn a_slow_class_can_pass_two_full_frames() {
        // 3,076 bytes at 8 kbit/s.
        let encoded = class_rate(BitsPerSecond(8_000), BURST, 2);
        assert_eq!(encoded.burst_ns, 3_076_000_001);
    }

    #[test]
    fn a_class_that_passes_a_full_frame_in_time_has_the_burst_that_is_asked_for() {
        // 12.3 ms a full frame.
        let encoded = class_rate(BitsPerSecond(1_000_000), Nanoseconds::from_millis(5), 2);
        assert_eq!(encoded.burst_ns, 5_000_000);
        // 20.5 ms.
        let slower = class_rate(BitsPerSecond(600_000), Nanoseconds::from_millis(5), 2);
        assert_eq!(slower.burst_ns, 41_013_334);
    }

    #[test]
    fn no_rate_is_written_as_unlimited() {
        assert_eq!(
            class_rate(BitsPerSecond(u64::MAX), BURST, 2).cost_per_byte,
            1
        );
    }

    proptest! {
        #[test]
        fn an_encoded_rate_is_exact_to_one_in_ten_thousand(
            rate in prop_oneof![8_000_u64..1_000_000, 1_000_000..=400_000_000_000_u64],
        ) {
            let encoded = class_rate(BitsPerSecond(rate), BURST, 8);
            // What a second's worth of bytes costs, which should be one second.
            let second = 8_000_000_000_u128 << COST_FRACTION_BITS;
            let spent = u128::from(encoded.cost_per_byte) * u128::from(rate);
            prop_assert!(spent.abs_diff(second) * 10_000 <= second, "{rate}: {spent}");
        }

        #[test]
        fn leases_fit_the_bucket(
            rate: u64,
            burst in prop_oneof![0..2_000_u64, any::<u64>()],
            cpus: u32,
        ) {
            let encoded = class_rate(BitsPerSecond(rate), Nanoseconds(burst), cpus);
            prop_assert!(u64::from(encoded.lease_ns) <= encoded.burst_ns);
            prop_assert!(u64::from(encoded.lease_ns) <= MAX_LEASE_NS);
            prop_assert!(encoded.burst_ns >= burst);
            prop_assert!(rate == 0 || encoded.burst_ns > 0);
        }
    }
}
