//! Properties of trees of any shape.

mod before;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::policy::MAX_LEVELS;
use crate::units::Nanoseconds;

const CAPACITY: u64 = 1_000_000_000;

/// A policy, what its classes want, and the capacity.
#[derive(Clone, Debug)]
struct Case {
    policy: Policy,
    demands: Vec<u64>,
    capacity: u64,
}

impl Case {
    fn tree(&self) -> Tree {
        Tree::new(&self.policy, BitsPerSecond(self.capacity))
    }

    fn allot(&self, law: Law) -> Vec<Allotment> {
        let mut tree = self.tree();
        tree.allot(law, |class| BitsPerSecond(self.demands[class]))
            .to_vec()
    }

    /// What a class would use if it were alone in its groups.
    fn wish(&self, class: usize) -> u64 {
        let spec = &self.policy.classes[class];
        let ceil = spec.ceil.map_or(self.capacity, |ceil| ceil.0);
        self.demands[class].min(ceil).min(self.capacity)
    }

    /// The classes in a group, at any depth.
    fn members(&self, group: usize) -> Vec<usize> {
        let classes = 0..self.policy.classes.len();
        classes
            .filter(|&class| self.policy.groups_of(class).any(|one| one == group))
            .collect()
    }

    fn group_ceil(&self, group: usize) -> u64 {
        let ceils = self.policy.group_and_parents(Some(group));
        let ceils = ceils.filter_map(|one| self.policy.groups[one].ceil);
        ceils
            .map(|ceil| ceil.0)
            .min()
            .map_or(self.capacity, |ceil| ceil.min(self.capacity))
    }

    /// What stands below the interface or in a group: classes and groups.
    fn children(&self, group: Option<usize>) -> (Vec<usize>, Vec<usize>) {
        let classes = self.policy.classes.iter().enumerate();
        let classes = classes.filter(|(_, class)| class.group == group);
        let groups = self.policy.groups.iter().enumerate();
        let groups = groups.filter(|(_, one)| one.parent == group);
        (
            classes.map(|(one, _)| one).collect(),
            groups.map(|(one, _)| one).collect(),
        )
    }

    /// What a group would use if it had all to itself.
    fn group_wish(&self, group: usize) -> u64 {
        let (classes, groups) = self.children(Some(group));
        let of_classes: u64 = classes.iter().map(|&class| self.wish(class)).sum();
        let of_groups: u64 = groups.iter().map(|&group| self.group_wish(group)).sum();
        (of_classes + of_groups).min(self.group_ceil(group))
    }
}

fn total(
    allotments: &[Allotment],
    classes: &[usize],
    part: fn(&Allotment) -> BitsPerSecond,
) -> u64 {
    classes
        .iter()
        .map(|&class| part(&allotments[class]).0)
        .sum()
}

fn class(priority: u8, rate: u64, ceil: Option<u64>, weight: u32, group: Option<usize>) -> Class {
    Class {
        name: String::new(),
        priority,
        rate: BitsPerSecond(rate),
        ceil: ceil.map(BitsPerSecond),
        group,
        burst: Nanoseconds::from_millis(20),
        weight,
        cpus: None,
        per_source: None,
        treatment: crate::policy::Treatment::default(),
    }
}

fn group(rate: u64, ceil: Option<u64>, parent: Option<usize>) -> Group {
    Group {
        name: String::new(),
        parent,
        priority: 3,
        rate: BitsPerSecond(rate),
        ceil: ceil.map(BitsPerSecond),
        weight: 1,
    }
}

fn any_law() -> impl Strategy<Value = Law> {
    select(&Law::ALL[..])
}

fn any_rate() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 4 => 0..=CAPACITY / 4, 1 => 0..2 * CAPACITY, 1 => 0..20_u64]
}

prop_compose! {
    fn any_class(groups: usize)(
        priority in 0..8_u8,
        rate in prop_oneof![Just(0), 0..CAPACITY / 10],
        ceil in prop::option::of(1..CAPACITY),
        weight in prop_oneof![Just(1), 1..=1000_u32],
        group in prop::option::weighted(0.8, 0..groups.max(1)),
    ) -> Class {
        let ceil = ceil.map(|ceil| ceil.max(rate));
        class(priority, rate, ceil, weight, group.filter(|_| groups > 0))
    }
}

prop_compose! {
    /// Before the guarantees are made to fit; a parent stands before its members.
    fn any_group(position: usize)(
        priority in 0..8_u8,
        rate in prop_oneof![Just(0), 0..CAPACITY / 10],
        ceil in prop::option::of(1..CAPACITY),
        weight in prop_oneof![Just(1), 1..=1000_u32],
        parent in prop::option::weighted(0.6, 0..position.max(1)),
    ) -> Group {
        Group { priority, weight, ..group(rate, ceil, parent.filter(|_| position > 0)) }
    }
}

/// Cuts depth and guarantees to what a valid policy has: those of the members fit their group, those of
/// a group its ceil.
fn made_valid(mut policy: Policy) -> Policy {
    for position in 0..policy.groups.len() {
        if policy.group_and_parents(Some(position)).count() >= MAX_LEVELS {
            policy.groups[position].parent = None;
        }
    }
    let mut left = CAPACITY;
    let mut left_in: Vec<u64> = Vec::new();
    for position in 0..policy.groups.len() {
        let parent = policy.groups[position].parent;
        let group = &mut policy.groups[position];
        let left = parent.map_or(&mut left, |parent| &mut left_in[parent]);
        let ceil = group.ceil.map_or(u64::MAX, |ceil| ceil.0);
        group.rate = BitsPerSecond(group.rate.0.min(*left).min(ceil));
        *left -= group.rate.0;
        left_in.push(group.rate.0);
    }
    for class in &mut policy.classes {
        let left = class.group.map_or(&mut left, |group| &mut left_in[group]);
        class.rate = BitsPerSecond(class.rate.0.min(*left));
        *left -= class.rate.0;
    }
    policy
}

fn any_case() -> impl Strategy<Value = Case> {
    let groups = (0..7_usize).prop_flat_map(|count| (0..count).map(any_group).collect::<Vec<_>>());
    let policy = groups.prop_flat_map(|groups| {
        let classes = prop::collection::vec(any_class(groups.len()), 1..12);
        (classes, Just(groups))
    });
    (policy, prop::collection::vec(any_rate(), 12)).prop_map(|((classes, groups), demands)| Case {
        policy: made_valid(Policy {
            classes,
            groups,
            ..Policy::empty()
        }),
        demands,
        capacity: CAPACITY,
    })
}

#[test]
fn a_group_shares_among_its_members_what_it_gets_beside_others() {
    let case = Case {
        policy: Policy {
            classes: vec![
                class(0, 0, None, 1, Some(0)),
                class(0, 0, None, 3, Some(0)),
                class(0, 0, None, 1, None),
            ],
            groups: vec![group(0, None, None)],
            ..Policy::empty()
        },
        demands: vec![CAPACITY; 3],
        capacity: CAPACITY,
    };
    let shares = |law| {
        let allotments = case.allot(law);
        allotments
            .iter()
            .map(|one| one.share.0 / 1_000_000)
            .collect::<Vec<_>>()
    };
    // The class by itself has the better priority, 0 against 3.
    assert_eq!(shares(Law::MaxMin), [0, 0, 1_000]);
    assert_eq!(shares(Law::Proportional), [125, 375, 500]);
}

#[test]
fn a_guarantee_in_a_group_with_a_ceil_gives_way_and_comes_back_when_it_is_wanted() {
    let mut case = Case {
        policy: Policy {
            classes: vec![
                class(0, 200, None, 1, Some(0)),
                class(7, 0, None, 1, Some(0)),
            ],
            groups: vec![group(200, Some(500), None)],
            ..Policy::empty()
        },
        demands: vec![0, 10_000],
        capacity: CAPACITY,
    };
    let rates = |case: &Case| {
        let allotments = case.allot(Law::MaxMin);
        allotments
            .iter()
            .map(|one| one.rate().0)
            .collect::<Vec<_>>()
    };
    assert_eq!(rates(&case), [0, 500]);
    case.demands[0] = 200;
    assert_eq!(rates(&case), [200, 300]);
    // Where the others leave it, it stands all the time.
    case.demands = vec![0, 100];
    assert!(rates(&case)[0] >= 200);
    // Without a ceil it stands in any case.
    case.policy.groups[0].ceil = None;
    case.demands = vec![0, CAPACITY];
    assert_eq!(rates(&case), [200, CAPACITY]);
}

#[test]
fn a_guarantee_of_a_group_stands_for_its_members_while_others_use_it() {
    let case = Case {
        policy: Policy {
            classes: vec![class(0, 0, None, 1, Some(0)), class(7, 0, None, 1, None)],
            groups: vec![group(400, None, None)],
            ..Policy::empty()
        },
        demands: vec![0, CAPACITY],
        capacity: CAPACITY,
    };
    let allotments = case.allot(Law::MaxMin);
    assert_eq!(allotments[0].rate(), BitsPerSecond(400));
    assert_eq!(allotments[1].share, BitsPerSecond(CAPACITY));
}

#[test]
fn classes_need_little_of_every_group_to_start() {
    let policy = Policy {
        classes: vec![
            class(0, 500, None, 1, Some(0)),
            class(0, 500, None, 1, None),
            class(0, 500_000_000, None, 1, None),
            // Its guarantee does not stand, for the group has a ceil.
            class(0, 5_000, None, 1, Some(0)),
        ],
        groups: vec![group(5_500, Some(256_000), None)],
        ..Policy::empty()
    };
    let least = least_demands(&policy, BitsPerSecond(CAPACITY));
    assert_eq!(least, [1_000, CAPACITY / 256, 0, 1_000].map(BitsPerSecond));
}

#[test]
fn groups_in_a_circle_get_nothing_and_do_no_harm() {
    let case = Case {
        policy: Policy {
            classes: vec![class(0, 0, None, 1, Some(0)), class(0, 0, None, 1, None)],
            groups: vec![group(0, None, Some(1)), group(0, None, Some(0))],
            ..Policy::empty()
        },
        demands: vec![500, 500],
        capacity: CAPACITY,
    };
    assert_eq!(case.allot(Law::MaxMin)[0], Allotment::default());
    assert_eq!(
        least_demands(&case.policy, BitsPerSecond(CAPACITY)).len(),
        2
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn without_groups_it_is_what_it_was_before_there_were_any(
        classes in prop::collection::vec(any_class(0), 1..40),
        demands in prop::collection::vec(prop_oneof![any_rate(), Just(1_000_000)], 40),
        capacity in prop_oneof![1..100_u64, Just(CAPACITY), any::<u64>()],
    ) {
        let policy = Policy { classes, ..Policy::empty() };
        let case = Case { policy, demands, capacity };
        let claims = case.policy.classes.iter().zip(&case.demands);
        let claims = claims.map(|(class, &demand)| before::Claim { class, demand: BitsPerSecond(demand) });
        let claims: Vec<_> = claims.collect();
        let before = before::allot(BitsPerSecond(capacity), &claims);
        prop_assert_eq!(case.allot(Law::MaxMin), before);
    }

    #[test]
    fn at_every_level_demand_met_is_within_what_there_is_and_nothing_is_left_unused(
        law in any_law(), case in any_case(),
    ) {
        let allotments = case.allot(law);
        let share = |one: &Allotment| one.share;
        let of_group = |group: usize| total(&allotments, &case.members(group), share);
        let levels = std::iter::once(None).chain((0..case.policy.groups.len()).map(Some));
        for level in levels {
            let (classes, groups) = case.children(level);
            let met: u64 = total(&allotments, &classes, share) + groups.iter().map(|&one| of_group(one)).sum::<u64>();
            let ceil = level.map_or(CAPACITY, |group| case.group_ceil(group));
            prop_assert!(met <= ceil);
            let unmet = classes.iter().any(|&class| allotments[class].share.0 < case.wish(class))
                || groups.iter().any(|&group| of_group(group) < case.group_wish(group));
            // A group whose parents are used up cannot do better.
            let used_up = std::iter::once(met == ceil).chain(
                case.policy.group_and_parents(level).map(|group| of_group(group) == case.group_ceil(group)),
            );
            let link_used_up = allotments.iter().map(|one| one.share.0).sum::<u64>() == CAPACITY;
            let used_up = used_up.fold(link_used_up, |any, one| any || one);
            prop_assert!(!unmet || used_up, "{:?} {:?}", level, allotments);
        }
    }

    #[test]
    fn at_every_level_what_is_guaranteed_is_there_when_it_is_wanted(
        law in any_law(), case in any_case(),
    ) {
        let allotments = case.allot(law);
        for (class, spec) in case.policy.classes.iter().enumerate() {
            prop_assert!(allotments[class].share.0 >= spec.rate.0.min(case.wish(class)));
            if !case.policy.is_capped(class, BitsPerSecond(CAPACITY)) {
                prop_assert!(allotments[class].rate() >= spec.rate.min(BitsPerSecond(CAPACITY)));
            }
        }
        for (group, spec) in case.policy.groups.iter().enumerate() {
            let members = case.members(group);
            let met = total(&allotments, &members, |one| one.share);
            prop_assert!(met >= spec.rate.0.min(case.group_wish(group)));
        }
    }

    #[test]
    fn at_every_level_the_ceil_holds_for_the_rates_that_are_written(
        law in any_law(), case in any_case(),
        in_force in prop::collection::vec(0..2 * CAPACITY, 12),
    ) {
        let mut tree = case.tree();
        tree.allot(law, |class| BitsPerSecond(case.demands[class]));
        let allotments = tree.allotments().to_vec();
        let bound = u128::from(CAPACITY) + tree.lent();
        let rates: u128 = allotments.iter().map(|one| u128::from(one.rate().0)).sum();
        prop_assert!(rates <= bound);
        // Neither what is allotted, nor what comes of any rates on their way there, is more.
        let mut next: Vec<BitsPerSecond> = allotments.iter().zip(in_force)
            .map(|(one, before)| BitsPerSecond(before).max(one.guarantee)).collect();
        tree.hold_ceils(&mut next);
        for (class, spec) in case.policy.classes.iter().enumerate() {
            let ceil = spec.ceil.map_or(CAPACITY, |ceil| ceil.0.min(CAPACITY));
            prop_assert!(allotments[class].rate().0 <= ceil);
            prop_assert!(next[class] >= allotments[class].guarantee);
        }
        for group in 0..case.policy.groups.len() {
            let (members, ceil) = (case.members(group), case.group_ceil(group));
            if ceil < CAPACITY {
                prop_assert!(total(&allotments, &members, Allotment::rate) <= ceil);
                let next: u64 = members.iter().map(|&class| next[class].0).sum();
                prop_assert!(next <= ceil);
            }
        }
    }
}
