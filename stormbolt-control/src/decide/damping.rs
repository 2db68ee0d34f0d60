//! From the rates in force to the rates wanted: down at once, up in steps.

use super::rates::Allotment;
use crate::units::BitsPerSecond;

/// A rise leaves one part in this many of its way per interval.
const REST_PARTS: u64 = 4;

/// A rise that would leave less than one part in this many of its target is completed instead. So one from
/// nothing is complete when its second interval, which would leave a sixteenth, is over; and two intervals after
/// the first where only a part of that was seen (docs/simulation.md).
const SNAP_PARTS: u64 = 15;

/// A change by less than one part in this many is not worth a command.
const IGNORED_PARTS: u64 = 200;

/// Writes the rates to put in force after `in_force`, on the way to the allotments, into `next`.
///
/// A fall is immediate, since it makes room for somebody; a rise is damped, so that an estimate
/// that jumps about moves the rates by less. No rate is ever below its guarantee. Changes under
/// half a percent are left out, unless the rates would exceed `bound`: the capacity, and the guarantees of
/// classes that don't use them (see [`Allotment::rate`]).
pub fn next_rates(
    bound: u128,
    in_force: &[BitsPerSecond],
    allotments: &[Allotment],
    next: &mut Vec<BitsPerSecond>,
) {
    let rates = in_force.iter().zip(allotments);
    next.clear();
    next.extend(rates.map(|(&current, allotment)| next_rate(current, allotment)));
    if next.iter().map(|rate| u128::from(rate.0)).sum::<u128>() > bound {
        for (rate, allotment) in next.iter_mut().zip(allotments) {
            *rate = allotment.rate().min(*rate);
        }
    }
}

fn next_rate(current: BitsPerSecond, allotment: &Allotment) -> BitsPerSecond {
    let target = allotment.rate();
    let change = target.0.abs_diff(current.0);
    let ignored = change < target.max(current).0.div_ceil(IGNORED_PARTS);
    let rest = change / REST_PARTS;
    let next = if ignored {
        current
    } else if target <= current || rest <= target.0 / SNAP_PARTS {
        target
    } else {
        BitsPerSecond(target.0 - rest)
    };
    next.max(allotment.guarantee)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAPACITY: BitsPerSecond = BitsPerSecond(10_000_000);

    fn allotted(share: u64, guarantee: u64) -> Allotment {
        Allotment {
            share: BitsPerSecond(share),
            headroom: BitsPerSecond::ZERO,
            guarantee: BitsPerSecond(guarantee),
        }
    }

    fn next(in_force: &[u64], allotments: &[Allotment]) -> Vec<u64> {
        next_within(CAPACITY, in_force, allotments)
    }

    fn next_within(
        capacity: BitsPerSecond,
        in_force: &[u64],
        allotments: &[Allotment],
    ) -> Vec<u64> {
        let in_force: Vec<BitsPerSecond> = in_force.iter().copied().map(BitsPerSecond).collect();
        let lent = |one: &Allotment| u128::from(one.rate().saturating_sub(one.allotted()).0);
        let bound = u128::from(capacity.0) + allotments.iter().map(lent).sum::<u128>();
        let mut next = Vec::new();
        next_rates(bound, &in_force, allotments, &mut next);
        next.iter().map(|rate| rate.0).collect()
    }

    #[test]
    fn a_fall_is_immediate() {
        assert_eq!(next(&[9_000_000], &[allotted(10, 0)]), [10]);
        assert_eq!(next(&[9_000_000], &[allotted(0, 0)]), [0]);
    }

    #[test]
    fn a_rise_arrives_in_its_second_interval_or_two_after_one_that_saw_a_part_of_it() {
        let target = [allotted(9_000_000, 0)];
        assert_eq!(next(&[0], &target), [6_750_000]);
        assert_eq!(next(&[6_750_000], &target), [9_000_000]);
        for seen in [1, 200_000, 1_800_000, 4_500_000, 8_000_000] {
            let first = next(&[0], &[allotted(seen, 0)]);
            let second = next(&first, &target);
            assert!(second[0] >= 6_750_000, "{seen} {second:?}");
            assert_eq!(next(&second, &target), [9_000_000], "{seen}");
        }
    }

    #[test]
    fn a_rise_to_a_guarantee_is_immediate() {
        assert_eq!(next(&[0], &[allotted(100, 5_000_000)]), [5_000_000]);
        assert_eq!(next(&[4_999_999], &[allotted(100, 5_000_000)]), [5_000_000]);
    }

    #[test]
    fn a_change_under_half_a_percent_is_left_out() {
        let steady = [1_000_000, 1_000_000];
        assert_eq!(
            next(&steady, &[allotted(1_004_000, 0), allotted(996_000, 0)]),
            steady
        );
        assert_eq!(next(&[1_000_000], &[allotted(1_006_000, 0)]), [1_006_000]);
        assert_eq!(next(&[1_000_000], &[allotted(994_000, 0)]), [994_000]);
    }

    #[test]
    fn a_small_fall_that_the_link_needs_is_made() {
        // The second class rises by more than a percent; the first gives way by 0.4 %.
        let rates = next(
            &[8_032_000, 1_960_000],
            &[allotted(8_000_000, 0), allotted(2_000_000, 0)],
        );
        assert_eq!(rates[0], 8_000_000);
        assert_eq!(rates[1], 2_000_000);
    }

    #[test]
    fn a_rise_from_nothing_to_next_to_nothing_arrives() {
        assert_eq!(next(&[0], &[allotted(1, 0)]), [1]);
    }

    prop_compose! {
        fn any_state()(
            shares in prop::collection::vec((0..1_000_000_u64, 0..1_000_000_u64), 1..10),
            in_force in prop::collection::vec(0..2_000_000_u64, 10),
        ) -> (Vec<u64>, Vec<Allotment>) {
            let allotments: Vec<Allotment> =
                shares.iter().map(|&(share, guarantee)| allotted(share, guarantee)).collect();
            (in_force[..shares.len()].to_vec(), allotments)
        }
    }

    proptest! {
        #[test]
        fn rates_stay_between_guarantee_and_the_larger_of_old_and_new(
            (in_force, allotments) in any_state(),
        ) {
            let rates = next(&in_force, &allotments);
            for ((rate, old), allotment) in rates.iter().zip(&in_force).zip(&allotments) {
                prop_assert!(*rate >= allotment.guarantee.0);
                prop_assert!(*rate <= allotment.rate().0.max(*old));
            }
        }

        #[test]
        fn the_capacity_is_exceeded_by_lent_guarantees_at_most(
            (in_force, allotments) in any_state(),
        ) {
            // Exactly as much capacity as is handed out: not a bit of slack.
            let capacity: BitsPerSecond = allotments.iter().map(Allotment::allotted).sum();
            let rates = next_within(capacity, &in_force, &allotments);
            let bound: BitsPerSecond = allotments.iter().map(Allotment::rate).sum();
            prop_assert!(rates.into_iter().sum::<u64>() <= bound.0);
        }

        #[test]
        fn constant_allotments_come_to_rest_within_half_a_percent(
            (in_force, allotments) in any_state(),
        ) {
            let mut rates = in_force;
            for _ in 0..20 {
                rates = next(&rates, &allotments);
            }
            prop_assert_eq!(&next(&rates, &allotments), &rates);
            for (rate, allotment) in rates.iter().zip(&allotments) {
                let target = allotment.rate().0;
                prop_assert!(rate.abs_diff(target) * 200 <= *rate.max(&target) + 200);
            }
        }
    }
}
