//! Properties of the closed loop, for any law, classes and groups.

use proptest::prelude::*;

use super::*;
use crate::policy::{Group, Law};

prop_compose! {
    fn any_class()(
        priority in 0..8_u8,
        rate in 0..120_u64,
        ceil in prop::option::of(1..1_500_u64),
        weight in 1..100_u32,
    ) -> Class {
        Class {
            ceil: ceil.map(|ceil| BitsPerSecond(ceil * MEGABIT)),
            weight,
            ..class("", priority, rate * MEGABIT)
        }
    }
}

prop_compose! {
    /// Classes, some of them in two groups inside each other, the outer one with a ceil or without.
    fn any_policy()(
        mut classes in prop::collection::vec((any_class(), prop::option::of(0..2_usize)), 1..8),
        ceil in prop::option::of(50..1_500_u64),
        law in prop::sample::select(&Law::ALL[..]),
    ) -> Policy {
        let mut groups = vec![group(None), group(Some(0))];
        for (number, (class, group)) in classes.iter_mut().enumerate() {
            class.name = number.to_string();
            class.group = *group;
            let parent = group.and_then(|group| groups[group].parent);
            for group in group.iter().copied().chain(parent) {
                groups[group].rate += class.rate;
            }
        }
        let ceil = ceil.map(|ceil| BitsPerSecond(ceil * MEGABIT));
        groups[0].ceil = ceil.map(|ceil| ceil.max(groups[0].rate));
        let classes = classes.into_iter().map(|(class, _)| class).collect();
        Policy { law, groups, ..policy(classes) }
    }
}

fn group(parent: Option<usize>) -> Group {
    Group {
        name: String::new(),
        parent,
        priority: 3,
        rate: BitsPerSecond::ZERO,
        ceil: None,
        weight: 1,
    }
}

fn any_demands() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![Just(0), 0..2 * CAPACITY], 8)
}

/// Rates hold their bounds, whatever was offered.
fn check(lab: &Lab, policy: &Policy) -> Result<(), TestCaseError> {
    let capacity = BitsPerSecond(CAPACITY);
    let mut total = 0;
    let mut guarantees = 0;
    let mut in_outer_group = 0;
    for (position, (class, rate)) in policy.classes.iter().zip(&lab.rates[0]).enumerate() {
        let ceil = class.ceil.unwrap_or(capacity).0.min(CAPACITY);
        prop_assert!(rate.0 <= ceil);
        if !policy.is_capped(position, capacity) {
            prop_assert!(rate.0 >= class.rate.0.min(ceil));
        }
        if class.group.is_some() {
            in_outer_group += rate.0;
        }
        total += rate.0;
        guarantees += class.rate.0;
    }
    prop_assert!(total <= CAPACITY + guarantees);
    if let Some(ceil) = policy.groups[0].ceil.filter(|ceil| *ceil < capacity) {
        prop_assert!(in_outer_group <= ceil.0, "{} of {}", in_outer_group, ceil);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn constant_demand_comes_to_rest_within_bounds(
        policy in any_policy(), first in any_demands(), then in any_demands(),
    ) {
        let classes = policy.classes.len();
        let mut lab = Lab::new(&policy);
        for _ in 0..10 {
            lab.interval(&first[..classes]);
            check(&lab, &policy)?;
        }
        for _ in 0..80 {
            lab.interval(&then[..classes]);
            check(&lab, &policy)?;
        }
        let rested = lab.rates.clone();
        for _ in 0..20 {
            lab.interval(&then[..classes]);
        }
        for (rate, rested) in lab.rates[0].iter().zip(&rested[0]) {
            prop_assert!(rate.0.abs_diff(rested.0) * 100 <= CAPACITY, "{} {}", rate, rested);
        }
    }

    #[test]
    fn a_guarantee_that_is_wanted_is_in_force_after_an_interval(
        policy in any_policy(), first in any_demands(), then in any_demands(),
    ) {
        let classes = policy.classes.len();
        let mut lab = Lab::new(&policy);
        lab.intervals(30, &first[..classes]);
        lab.interval(&then[..classes]);
        for (class, (spec, wanted)) in policy.classes.iter().zip(&then).enumerate() {
            let ceil = spec.ceil.unwrap_or(BitsPerSecond(CAPACITY));
            // Counters are in bytes per interval, changes under half a percent are left out.
            let wanted = wanted.saturating_sub(80).min(spec.rate.min(ceil).0);
            prop_assert!(lab.rate(class) >= wanted - wanted / 199, "{} {}", lab.rate(class), wanted);
        }
    }

    #[test]
    fn a_new_policy_holds_its_bounds_at_once(
        old in any_policy(), new in any_policy(), demands in any_demands(),
    ) {
        let mut lab = Lab::new(&old);
        lab.intervals(10, &demands[..old.classes.len()]);
        lab.controller.set_policy(&new);
        lab.rates = lab.controller.rates().to_vec();
        check(&lab, &new)?;
    }
}
