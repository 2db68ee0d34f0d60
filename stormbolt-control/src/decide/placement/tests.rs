//! Properties of the placement of slots.

use proptest::prelude::*;

use super::*;

fn place_loads(loads: &[u64], placement: &[u32], places: &[u32]) -> Vec<u64> {
    let on = |place: &u32| {
        loads
            .iter()
            .zip(placement)
            .filter(|(_, at)| *at == place)
            .map(|(load, _)| *load)
            .sum()
    };
    places.iter().map(on).collect()
}

fn apply(placement: &mut [u32], moves: &[Move]) {
    for moved in moves {
        placement[moved.slot] = moved.place;
    }
}

/// Looks at the same loads until 20 looks in a row bring no move; the moves that were made.
fn settle(loads: &[u64], placement: &mut [u32], places: &[u32]) -> usize {
    let mut balancer = Balancer::default();
    let (mut total, mut calm) = (0, 0);
    for _ in 0..10_000 {
        let moves = balancer.moves(loads, placement, places);
        assert!(moves.len() <= MAX_MOVES);
        apply(placement, &moves);
        total += moves.len();
        calm = if moves.is_empty() { calm + 1 } else { 0 };
        if calm == 20 {
            return total;
        }
    }
    panic!("does not come to rest: {loads:?}");
}

#[test]
fn round_robin_uses_every_place_in_turn() {
    assert_eq!(round_robin(5, &[2, 7]), [2, 7, 2, 7, 2]);
    assert!(round_robin(5, &[]).is_empty());
}

#[test]
fn only_slots_on_vanished_places_are_evicted() {
    let loads = [10, 500, 10, 10];
    let moves = evict(&loads, &[0, 1, 2, 2], &[0, 1]);
    assert_eq!(
        moves,
        [Move { slot: 2, place: 0 }, Move { slot: 3, place: 0 }]
    );
}

#[test]
fn idle_slots_are_evicted_evenly() {
    let mut placement = round_robin(8, &[0, 1]);
    apply(
        &mut placement,
        &evict(&[0; 8], &round_robin(8, &[0, 1]), &[2, 3]),
    );
    assert_eq!(placement, round_robin(8, &[2, 3]));
}

#[test]
fn nothing_moves_before_the_imbalance_has_lasted() {
    let loads = [9_000, 9_000, 0];
    let placement = [0, 0, 1];
    let mut balancer = Balancer::default();
    assert_eq!(balancer.moves(&loads, &placement, &[0, 1]), []);
    assert_eq!(balancer.moves(&loads, &placement, &[0, 1]), []);
    // A balanced moment starts the count again.
    assert_eq!(balancer.moves(&loads, &[0, 1, 1], &[0, 1]), []);
    assert_eq!(balancer.moves(&loads, &placement, &[0, 1]), []);
    assert_eq!(balancer.moves(&loads, &placement, &[0, 1]), []);
    assert_eq!(
        balancer.moves(&loads, &placement, &[0, 1]),
        [Move { slot: 0, place: 1 }]
    );
}

#[test]
fn one_slot_of_the_right_size_moves_instead_of_many_small_ones() {
    let loads = [1_000, 1_000, 5_000, 1_000, 10_000, 2_000];
    let mut placement = vec![0, 0, 0, 0, 0, 1];
    // 18,000 against 2,000: 8,000 too much. Moving the 10,000 alone leaves 8,000 and 12,000.
    let moved = settle(&loads, &mut placement, &[0, 1]);
    assert!(moved <= 3, "{moved} moves");
    assert_eq!(
        place_loads(&loads, &placement, &[0, 1]).iter().max(),
        Some(&10_000)
    );
}

#[test]
fn a_hot_slot_stays_and_its_neighbours_leave() {
    let mut loads = vec![100; 64];
    loads[5] = 100_000;
    let mut placement = round_robin(64, &[0, 1, 2, 3]);
    settle(&loads, &mut placement, &[0, 1, 2, 3]);
    assert_eq!(placement[5], 1);
    let on_places = place_loads(&loads, &placement, &[0, 1, 2, 3]);
    assert!(on_places[1] <= 100_300, "{on_places:?}");
    assert!(on_places.iter().all(|load| *load >= 1_900), "{on_places:?}");
}

#[test]
fn a_hot_slot_stays_even_where_its_move_would_do_alone() {
    let mut loads = vec![100; 31];
    loads[0] = 3_200;
    let mut placement = vec![0; 31];
    settle(&loads, &mut placement, &[0, 1]);
    assert_eq!(placement[0], 0);
    assert!(place_loads(&loads, &placement, &[0, 1])[1] >= 2_800);
}

#[test]
fn a_hot_slot_does_not_make_the_rest_restless() {
    // CPU 0 has nothing but the hot slot; the other two differ by 8 % from their mean.
    let mut loads = vec![100; 201];
    loads[0] = 90_000;
    let mut placement: Vec<u32> = (0..201)
        .map(|slot| if slot <= 108 { 1 } else { 2 })
        .collect();
    placement[0] = 0;
    assert_eq!(settle(&loads, &mut placement, &[0, 1, 2]), 0);
}

#[test]
fn a_move_that_would_only_swap_the_roles_is_not_made() {
    let loads = [3_000, 3_000, 3_000, 3_000, 8_500];
    let mut placement = vec![0, 0, 0, 0, 1];
    assert_eq!(settle(&loads, &mut placement, &[0, 1]), 0);
}

#[test]
fn two_hot_slots_do_not_share_a_place() {
    let mut loads = vec![10; 40];
    loads[0] = 50_000;
    loads[4] = 40_000;
    let mut placement = round_robin(40, &[0, 1, 2, 3]);
    settle(&loads, &mut placement, &[0, 1, 2, 3]);
    assert_ne!(placement[0], placement[4]);
}

#[test]
fn too_little_traffic_is_not_worth_a_move() {
    let mut placement = vec![0; 16];
    assert_eq!(settle(&[100; 16], &mut placement, &[0, 1]), 0);
    assert_eq!(settle(&[200; 16], &mut placement, &[0, 1]), 8);
}

#[test]
fn a_new_place_is_filled_in_steps() {
    let mut placement = round_robin(1024, &[0, 1]);
    let moved = settle(&[1_000; 1024], &mut placement, &[0, 1, 2, 3]);
    assert!((450..=512).contains(&moved), "{moved} moves");
}

prop_compose! {
    fn any_places()(places in prop::collection::btree_set(0..64_u32, 1..9)) -> Vec<u32> {
        places.into_iter().collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_slot_ends_on_an_allowed_place_and_keeps_its_load(
        places in any_places(),
        slots in prop::collection::vec((0..1_000_000_u64, 0..64_u32), 1..80),
    ) {
        let (loads, mut placement): (Vec<u64>, Vec<u32>) = slots.into_iter().unzip();
        let before = placement.clone();
        let evicted = evict(&loads, &placement, &places);
        apply(&mut placement, &evicted);
        for (old, new) in before.iter().zip(&placement) {
            prop_assert!(old == new || !places.contains(old));
        }
        settle(&loads, &mut placement, &places);
        prop_assert!(placement.iter().all(|place| places.contains(place)));
        let total: u64 = place_loads(&loads, &placement, &places).iter().sum();
        prop_assert_eq!(total, loads.iter().sum::<u64>());
    }

    #[test]
    fn many_small_slots_are_balanced_within_ten_percent(
        places in any_places(),
        loads in prop::collection::vec(100..2_000_u64, 400),
        start in prop::collection::vec(any::<prop::sample::Index>(), 400),
    ) {
        let mut placement: Vec<u32> = start.iter().map(|index| *index.get(&places)).collect();
        let moved = settle(&loads, &mut placement, &places);
        let on_places = place_loads(&loads, &placement, &places);
        let total: u64 = loads.iter().sum();
        let most = on_places.iter().max().unwrap();
        let count = u64::try_from(places.len()).unwrap();
        prop_assert!(most * count * 100 <= total * 110, "{:?}", on_places);
        prop_assert!(moved <= 400);
    }

    #[test]
    fn the_busiest_place_only_gets_less_busy(
        places in any_places(),
        loads in prop::collection::vec(prop_oneof![0..1_000_u64, 0..1_000_000_u64], 1..60),
    ) {
        let mut placement = round_robin(loads.len(), &places);
        let most = |placement: &[u32]| *place_loads(&loads, placement, &places).iter().max().unwrap();
        let before = most(&placement);
        settle(&loads, &mut placement, &places);
        prop_assert!(most(&placement) <= before);
    }

    #[test]
    fn balanced_places_are_left_alone(
        places in any_places(),
        noise in prop::collection::vec(prop::collection::vec(980..1_020_u64, 512), 8),
    ) {
        let placement = round_robin(512, &places);
        let mut balancer = Balancer::default();
        for loads in noise {
            prop_assert_eq!(balancer.moves(&loads, &placement, &places), []);
        }
    }
}
