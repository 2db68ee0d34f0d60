//! Exponential smoothing in whole numbers.

use crate::units::Nanoseconds;

/// Moves `value` towards `sample`, which was taken over `span`.
///
/// The gap shrinks to `time_constant / (time_constant + span)` of what it was: the implicit Euler
/// step of an exponential, which never overshoots however long the span is. So a controller that
/// runs every 10 ms and one that runs every 10 s forget at the same pace. The gap rounds down, so
/// a constant sample is reached exactly.
pub(crate) fn approach(
    value: u64,
    sample: u64,
    span: Nanoseconds,
    time_constant: Nanoseconds,
) -> u64 {
    let period = u128::from(time_constant.0) + u128::from(span.0);
    let gap = u128::from(value.abs_diff(sample)) * u128::from(time_constant.0);
    // The quotient is at most the gap, so it fits.
    let gap = gap
        .checked_div(period)
        .and_then(|gap| u64::try_from(gap).ok())
        .unwrap_or(0);
    if value > sample {
        sample + gap
    } else {
        sample - gap
    }
}

/// What a counter has grown by; `None` when it ran backwards, as it does when the program that
/// counts was loaded anew.
///
/// A wrap at 2^64 is told from a restart by its size: no counter grows by half its range between
/// two looks.
pub(super) fn growth(previous: u64, current: u64) -> Option<u64> {
    i64::try_from(current.wrapping_sub(previous))
        .ok()
        .and_then(|grown| u64::try_from(grown).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wrapped_counter_has_grown_and_a_restarted_one_has_not() {
        assert_eq!(growth(u64::MAX - 9, 90), Some(100));
        assert_eq!(growth(1_000_000, 20), None);
        assert_eq!(growth(7, 7), Some(0));
    }

    #[test]
    fn a_constant_sample_is_reached_exactly() {
        for start in [0, 1, 999, 1_000, 1_001, u64::MAX] {
            let mut value = start;
            for _ in 0..500 {
                value = approach(
                    value,
                    1_000,
                    Nanoseconds::from_millis(100),
                    Nanoseconds::from_millis(500),
                );
            }
            assert_eq!(value, 1_000, "from {start}");
        }
    }

    proptest! {
        #[test]
        fn smoothing_stays_between_the_value_and_the_sample(
            value: u64, sample: u64, span: u64, time_constant: u64,
        ) {
            let next = approach(value, sample, Nanoseconds(span), Nanoseconds(time_constant));
            prop_assert!(value.min(sample) <= next && next <= value.max(sample));
        }
    }
}
