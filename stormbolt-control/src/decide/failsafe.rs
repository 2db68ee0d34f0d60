//! The rates that the data path falls back to by itself when the controller is silent.

use stormbolt_common::police::BLOCKED;

use super::encode::cost_per_byte;
use super::tree::{Tree, starting_rooms};
use crate::policy::{FailsafeMode, Interface, Law, Policy};
use crate::units::BitsPerSecond;

/// What each class is held to then, by interface and class.
pub struct FailsafeRates(Vec<Vec<BitsPerSecond>>);

impl FailsafeRates {
    /// Under this policy: every guarantee, and what they leave of the capacity shared by weight among the classes
    /// that have none, each of which gets at least what one has to start with.
    pub fn of(policy: &Policy) -> Self {
        let interfaces = policy.interfaces.iter();
        Self(
            interfaces
                .map(|interface| of_interface(policy, interface))
                .collect(),
        )
    }

    /// Works the rates of an interface, by position, out anew: its capacity is another in `policy`.
    pub fn renew(&mut self, policy: &Policy, interface: usize) {
        let spec = policy.interfaces.get(interface);
        if let (Some(rates), Some(spec)) = (self.0.get_mut(interface), spec) {
            *rates = of_interface(policy, spec);
        }
    }

    /// The rate of a class on an interface, both by position, as the policer reads it.
    pub fn cost_per_byte(&self, mode: FailsafeMode, (interface, class): (usize, usize)) -> u64 {
        let rate = self.0.get(interface).and_then(|rates| rates.get(class));
        match (mode, rate) {
            (FailsafeMode::Guaranteed, Some(&rate)) => cost_per_byte(rate),
            (FailsafeMode::Guaranteed, None) => BLOCKED,
            (FailsafeMode::Hold | FailsafeMode::Open, _) => 0,
        }
    }
}

fn of_interface(policy: &Policy, interface: &Interface) -> Vec<BitsPerSecond> {
    let capacity = interface.capacity;
    let rooms = starting_rooms(policy, capacity);
    let mut tree = Tree::new(policy, capacity);
    let demand = |class: usize| match policy.classes.get(class).map(|class| class.rate) {
        None | Some(BitsPerSecond::ZERO) => capacity,
        Some(guarantee) => guarantee,
    };
    // Nobody knows what is wanted, so there is nothing that a priority could decide.
    let allotments = tree.allot(Law::Proportional, demand).iter();
    let rates = allotments.zip(&policy.classes).zip(rooms);
    rates
        .map(|((allotment, class), room)| {
            // Guarantees may leave nothing, and a class that passes nothing locks somebody out.
            let least = class.ceil.map_or(room, |ceil| ceil.min(room));
            allotment.share.max(least)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{AttachMode, Class};
    use crate::units::Nanoseconds;

    const CAPACITY: u64 = 100_000_000;

    fn policy(classes: &[(u64, Option<u64>, u32)]) -> Policy {
        let classes = classes.iter().map(|&(rate, ceil, weight)| Class {
            name: String::new(),
            priority: 3,
            rate: BitsPerSecond(rate),
            ceil: ceil.map(BitsPerSecond),
            group: None,
            per_source: None,
            burst: Nanoseconds::from_millis(20),
            weight,
            cpus: None,
            treatment: crate::policy::Treatment::default(),
        });
        Policy {
            interfaces: vec![Interface {
                name: "eth0".to_owned(),
                capacity: BitsPerSecond(CAPACITY),
                mode: AttachMode::Auto,
                overhead: 0,
                adaptive: None,
                then: None,
            }],
            classes: classes.collect(),
            ..Policy::empty()
        }
    }

    fn rates(classes: &[(u64, Option<u64>, u32)]) -> Vec<u64> {
        let FailsafeRates(rates) = FailsafeRates::of(&policy(classes));
        rates[0].iter().map(|rate| rate.0).collect()
    }

    #[test]
    fn guarantees_stand_and_others_share_what_they_leave() {
        let classes = [
            (40_000_000, None, 1),
            (0, None, 2),
            (0, None, 1),
            (0, Some(5_000_000), 1),
        ];
        let expected = [40_000_000, 36_666_666, 18_333_334, 5_000_000];
        assert_eq!(rates(&classes), expected);
    }

    #[test]
    fn a_class_for_which_guarantees_leave_nothing_still_passes_something() {
        let rates = rates(&[(60_000_000, None, 1), (40_000_000, None, 1), (0, None, 1)]);
        assert_eq!(rates, [60_000_000, 40_000_000, CAPACITY / 64 / 4]);
    }

    #[test]
    fn another_capacity_is_shared_out_anew() {
        let mut policy = policy(&[(0, None, 1), (0, None, 1)]);
        let mut rates = FailsafeRates::of(&policy);
        policy.interfaces[0].capacity = BitsPerSecond(CAPACITY / 2);
        rates.renew(&policy, 0);
        rates.renew(&policy, 7);
        let FailsafeRates(rates) = rates;
        assert_eq!(rates, [vec![BitsPerSecond(CAPACITY / 4); 2]]);
    }

    proptest! {
        #[test]
        fn the_capacity_holds_and_every_guarantee_does(
            classes in prop::collection::vec((0..12_000_000_u64, prop::option::of(0..50_000_000_u64), 1..9_u32), 1..8),
        ) {
            let classes: Vec<_> = classes.into_iter()
                .map(|(rate, ceil, weight)| (rate, ceil.map(|ceil| ceil.max(rate)), weight))
                .collect();
            let rates = rates(&classes);
            // And the foot in the door of those for which nothing is left.
            prop_assert!(rates.iter().sum::<u64>() <= CAPACITY + CAPACITY / 64);
            for (&rate, &(guarantee, ceil, _)) in rates.iter().zip(&classes) {
                prop_assert!(rate >= guarantee && rate <= ceil.unwrap_or(CAPACITY));
            }
        }
    }
}
