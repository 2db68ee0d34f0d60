//! Properties of the laws, on the classes of one interface.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::decide::rates::{Allotment, starting_room};
use crate::decide::tree::Tree;
use crate::policy::{Class, Policy};
use crate::units::{BitsPerSecond, Nanoseconds};

const GIGABIT: u64 = 1_000_000_000;

/// A class and what it would use.
#[derive(Clone, Copy, Debug)]
struct Claim {
    priority: u8,
    guarantee: u64,
    ceil: Option<u64>,
    weight: u32,
    demand: u64,
}

fn claim(priority: u8, guarantee: u64, weight: u32, demand: u64) -> Claim {
    Claim {
        priority,
        guarantee,
        ceil: None,
        weight,
        demand,
    }
}

fn class(claim: &Claim) -> Class {
    Class {
        name: String::new(),
        priority: claim.priority,
        rate: BitsPerSecond(claim.guarantee),
        ceil: claim.ceil.map(BitsPerSecond),
        group: None,
        per_source: None,
        burst: Nanoseconds::from_millis(20),
        weight: claim.weight,
        cpus: None,
        treatment: crate::policy::Treatment::default(),
    }
}

fn allot(law: Law, capacity: u64, claims: &[Claim]) -> Vec<Allotment> {
    let policy = Policy {
        classes: claims.iter().map(class).collect(),
        ..Policy::empty()
    };
    let mut tree = Tree::new(&policy, BitsPerSecond(capacity));
    let demand = |class: usize| BitsPerSecond(claims[class].demand);
    tree.allot(law, demand).to_vec()
}

fn shares(law: Law, capacity: u64, claims: &[Claim]) -> Vec<u64> {
    allot(law, capacity, claims)
        .iter()
        .map(|allotment| allotment.share.0)
        .collect()
}

fn rates(law: Law, capacity: u64, claims: &[Claim]) -> Vec<u64> {
    allot(law, capacity, claims)
        .iter()
        .map(|allotment| allotment.rate().0)
        .collect()
}

/// The highest rate a claim may have.
fn ceil(capacity: u64, claim: &Claim) -> u64 {
    claim.ceil.map_or(capacity, |ceil| ceil.min(capacity))
}

/// What a claim would use.
fn wish(capacity: u64, claim: &Claim) -> u64 {
    claim.demand.min(ceil(capacity, claim))
}

#[test]
fn guarantees_come_first_then_priorities() {
    let claims = [
        claim(0, 0, 1, 7 * GIGABIT),
        claim(7, 2 * GIGABIT, 1, 9 * GIGABIT),
        claim(3, 0, 1, 9 * GIGABIT),
    ];
    assert_eq!(
        shares(Law::MaxMin, 10 * GIGABIT, &claims),
        [7 * GIGABIT, 2 * GIGABIT, GIGABIT]
    );
}

#[test]
fn weights_share_what_is_left_beyond_the_guarantees() {
    let claims = [claim(1, 4_000, 1, 20_000), claim(1, 0, 2, 20_000)];
    assert_eq!(shares(Law::MaxMin, 10_000, &claims), [6_000, 4_000]);
}

#[test]
fn what_a_class_does_not_want_goes_to_its_equals() {
    let claims = [
        claim(1, 0, 8, 1_000),
        claim(1, 0, 1, 20_000),
        claim(1, 0, 2, 20_000),
    ];
    assert_eq!(shares(Law::MaxMin, 10_000, &claims), [1_000, 3_000, 6_000]);
}

#[test]
fn an_idle_link_is_handed_out_as_guarantees_and_by_weight() {
    let claims = [claim(0, 4_000, 1, 0), claim(7, 0, 2, 0)];
    assert_eq!(rates(Law::MaxMin, 10_000, &claims), [6_000, 4_000]);
}

#[test]
fn a_class_that_grows_finds_room_to_double_before_idle_ones_find_any() {
    let mut claims = vec![claim(5, 0, 1, 4_000)];
    claims.extend([claim(0, 0, 1000, 0); 9]);
    assert_eq!(rates(Law::MaxMin, 8_000, &claims)[0], 8_000);
}

#[test]
fn a_guarantee_stands_while_others_use_it() {
    let claims = [claim(0, 4_000, 1, 0), claim(7, 0, 1, 50_000)];
    assert_eq!(rates(Law::MaxMin, 10_000, &claims), [4_000, 10_000]);
    assert_eq!(shares(Law::MaxMin, 10_000, &claims), [0, 10_000]);
}

#[test]
fn the_ceil_wins_over_the_guarantee() {
    let mut capped = claim(0, 5_000, 1, 9_000);
    capped.ceil = Some(3_000);
    assert_eq!(rates(Law::MaxMin, 10_000, &[capped]), [3_000]);
}

#[test]
fn guarantees_that_do_not_fit_are_scaled_down() {
    let claims = [
        claim(0, 9_000, 1, 9_000),
        claim(0, 9_000, 1, 9_000),
        claim(0, 2_000, 1, 9_000),
    ];
    assert_eq!(shares(Law::MaxMin, 10_000, &claims), [4_500, 4_500, 1_000]);
}

#[test]
fn proportional_shares_what_guarantees_leave_by_weight_whatever_the_priorities() {
    let claims = [
        claim(7, 4_000, 1, 20_000),
        claim(0, 0, 2, 20_000),
        claim(3, 0, 3, 1_000),
    ];
    // Of the 6,000 left the third needs 1,000, less than its half.
    assert_eq!(
        shares(Law::Proportional, 10_000, &claims),
        [4_000 + 1_667, 3_333, 1_000]
    );
}

#[test]
fn strict_serves_the_first_priority_whole_and_equals_alike() {
    let claims = [
        claim(1, 1_000, 900, 20_000),
        claim(1, 0, 1, 20_000),
        claim(0, 0, 1, 3_000),
        claim(2, 500, 1, 20_000),
    ];
    assert_eq!(
        shares(Law::Strict, 10_000, &claims),
        [1_000 + 2_750, 2_750, 3_000, 500]
    );
    // An idle link is the first priority's.
    let claims = [claim(0, 1_000, 1, 0), claim(7, 2_000, 1, 500)];
    assert_eq!(rates(Law::Strict, 10_000, &claims), [8_000, 2_000]);
}

#[test]
fn nothing_is_shared_out_among_nobody_or_of_nothing() {
    assert_eq!(allot(Law::MaxMin, 5, &[]), []);
    assert_eq!(rates(Law::MaxMin, 0, &[claim(0, 5, 1, 5)]), [0]);
}

#[test]
fn starting_room_is_little_in_total() {
    for classes in [1, 3, 4, 1_000] {
        let room = starting_room(BitsPerSecond(10 * GIGABIT), classes).0;
        assert!(room > 0 && room * u64::try_from(classes).unwrap() <= 10 * GIGABIT / 64);
    }
}

/// Rates around the capacity, with small whole numbers and ties among them.
fn any_rate(capacity: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0),
        3 => 0..=capacity,
        1 => 0..=20_u64,
        1 => Just(capacity),
        1 => any::<u64>(),
    ]
}

prop_compose! {
    /// A claim whose guarantee, before scaling, is at most the capacity.
    fn any_claim(capacity: u64)(
        priority in 0..8_u8,
        guarantee in any_rate(capacity),
        ceil in prop::option::of(any_rate(capacity)),
        weight in prop_oneof![Just(1), 1..=1000_u32],
        demand in any_rate(capacity),
    ) -> Claim {
        Claim { priority, guarantee: guarantee.min(capacity), ceil, weight, demand }
    }
}

prop_compose! {
    /// A link and claims on it. Guarantees fit the link, as a policy ensures.
    fn any_link()(capacity in prop_oneof![1..100_u64, 1_000_000..=400 * GIGABIT])(
        mut claims in prop::collection::vec(any_claim(capacity), 1..12),
        capacity in Just(capacity),
    ) -> (u64, Vec<Claim>) {
        let mut left = capacity;
        for claim in &mut claims {
            claim.guarantee = claim.guarantee.min(left);
            left -= claim.guarantee;
        }
        (capacity, claims)
    }
}

fn any_law() -> impl Strategy<Value = Law> {
    select(&Law::ALL[..])
}

/// The laws that know priorities.
fn prioritised() -> impl Strategy<Value = Law> {
    select(vec![Law::MaxMin, Law::Strict])
}

/// That of claims which want the same, none gets more for its weight than one whose demand is not met; each
/// rounding can cost the next one bit/s.
fn check_parts(
    capacity: u64,
    claims: &[Claim],
    shares: &[u64],
    is_equal: impl Fn(&Claim, &Claim) -> bool,
    weight: impl Fn(&Claim) -> u32,
) -> Result<(), TestCaseError> {
    let beyond =
        |claim: &Claim, share: u64| u128::from(share - claim.guarantee.min(wish(capacity, claim)));
    let slack = u128::try_from(claims.len()).unwrap();
    for (a, share_a) in claims.iter().zip(shares) {
        for (b, share_b) in claims.iter().zip(shares) {
            if is_equal(a, b) && *share_a < wish(capacity, a) {
                let (weight_a, weight_b) = (u128::from(weight(a)), u128::from(weight(b)));
                prop_assert!(
                    beyond(b, *share_b) * weight_a
                        <= (beyond(a, *share_a) + slack) * weight_b + slack * weight_a
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn rates_lie_between_guarantee_and_ceil(law in any_law(), (capacity, claims) in any_link()) {
        for (claim, allotment) in claims.iter().zip(allot(law, capacity, &claims)) {
            let ceil = ceil(capacity, claim);
            prop_assert!(allotment.rate().0 <= ceil);
            prop_assert!(allotment.rate().0 >= claim.guarantee.min(ceil));
            prop_assert!(allotment.share.0 <= wish(capacity, claim));
            prop_assert!(allotment.share.0 >= claim.guarantee.min(wish(capacity, claim)));
        }
    }

    #[test]
    fn the_capacity_is_never_exceeded(
        law in any_law(),
        capacity: u64,
        claims in prop::collection::vec(any_claim(u64::MAX), 0..12),
    ) {
        // Here the guarantees need not fit.
        let allotments = allot(law, capacity, &claims);
        let total = |part: fn(&Allotment) -> BitsPerSecond| -> u128 {
            allotments.iter().map(|allotment| u128::from(part(allotment).0)).sum()
        };
        prop_assert!(total(Allotment::allotted) <= u128::from(capacity));
        prop_assert!(total(|allotment| allotment.guarantee) <= u128::from(capacity));
    }

    #[test]
    fn capacity_is_used_up_while_anybody_wants_more(
        law in any_law(), (capacity, claims) in any_link(),
    ) {
        let shares = shares(law, capacity, &claims);
        let unmet = claims.iter().zip(&shares).any(|(claim, share)| *share < wish(capacity, claim));
        if unmet {
            prop_assert_eq!(shares.iter().sum::<u64>(), capacity);
        }
    }

    #[test]
    fn headroom_is_all_that_is_left_up_to_the_ceils(
        law in any_law(), (capacity, claims) in any_link(),
    ) {
        let allotments = allot(law, capacity, &claims);
        let below_ceil = claims
            .iter()
            .zip(&allotments)
            .any(|(claim, allotment)| allotment.allotted().0 < ceil(capacity, claim));
        let total: u64 = allotments.iter().map(|allotment| allotment.allotted().0).sum();
        prop_assert!(!below_ceil || total == capacity);
    }

    #[test]
    fn more_demand_never_lowers_a_share(
        law in any_law(), (capacity, claims) in any_link(), which: prop::sample::Index, more: u64,
    ) {
        let which = which.index(claims.len());
        let mut hungrier = claims.clone();
        hungrier[which].demand = claims[which].demand.saturating_add(more);
        // Coming later in the order of a round can move the rounding by one bit/s per claim.
        let slack = u64::try_from(claims.len()).unwrap();
        prop_assert!(
            shares(law, capacity, &hungrier)[which] + slack >= shares(law, capacity, &claims)[which]
        );
    }

    #[test]
    fn a_better_priority_never_lowers_a_share(
        law in prioritised(),
        (capacity, claims) in any_link(), which: prop::sample::Index, raise in 1..8_u8,
    ) {
        let which = which.index(claims.len());
        let mut raised = claims.clone();
        raised[which].priority = claims[which].priority.saturating_sub(raise);
        prop_assert!(
            shares(law, capacity, &raised)[which] >= shares(law, capacity, &claims)[which]
        );
    }

    #[test]
    fn a_lower_priority_gets_beyond_its_guarantee_only_when_higher_ones_are_served(
        law in prioritised(), (capacity, claims) in any_link(),
    ) {
        let shares = shares(law, capacity, &claims);
        for (low, low_share) in claims.iter().zip(&shares) {
            if *low_share <= low.guarantee {
                continue;
            }
            for (high, high_share) in claims.iter().zip(&shares) {
                if high.priority < low.priority {
                    prop_assert_eq!(*high_share, wish(capacity, high));
                }
            }
        }
    }

    #[test]
    fn max_min_shares_a_priority_by_weight((capacity, claims) in any_link()) {
        let shares = shares(Law::MaxMin, capacity, &claims);
        let same = |a: &Claim, b: &Claim| a.priority == b.priority;
        check_parts(capacity, &claims, &shares, same, |claim| claim.weight)?;
    }

    #[test]
    fn strict_shares_a_priority_equally((capacity, claims) in any_link()) {
        let shares = shares(Law::Strict, capacity, &claims);
        let same = |a: &Claim, b: &Claim| a.priority == b.priority;
        check_parts(capacity, &claims, &shares, same, |_| 1)?;
    }

    #[test]
    fn proportional_shares_everything_by_weight((capacity, claims) in any_link()) {
        let shares = shares(Law::Proportional, capacity, &claims);
        check_parts(capacity, &claims, &shares, |_, _| true, |claim| claim.weight)?;
    }

    #[test]
    fn strict_ignores_weights((capacity, mut claims) in any_link(), weight in 1..=1000_u32) {
        let before = allot(Law::Strict, capacity, &claims);
        for claim in &mut claims {
            claim.weight = weight;
        }
        prop_assert_eq!(allot(Law::Strict, capacity, &claims), before);
    }

    #[test]
    fn proportional_ignores_priorities((capacity, mut claims) in any_link(), priority in 0..8_u8) {
        let before = allot(Law::Proportional, capacity, &claims);
        for claim in &mut claims {
            claim.priority = priority;
        }
        prop_assert_eq!(allot(Law::Proportional, capacity, &claims), before);
    }

    #[test]
    fn strict_keeps_spare_capacity_for_the_highest_priority((capacity, claims) in any_link()) {
        let allotments = allot(Law::Strict, capacity, &claims);
        for (low, one) in claims.iter().zip(&allotments) {
            if one.allotted().0 <= wish(capacity, low).max(one.guarantee.0) {
                continue;
            }
            for (high, other) in claims.iter().zip(&allotments) {
                if high.priority < low.priority {
                    prop_assert_eq!(other.allotted().0, ceil(capacity, high));
                }
            }
        }
    }
}
