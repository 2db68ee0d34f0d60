//! What classes may borrow of an interface's capacity that nobody uses, between one interval and the
//! next.
//!
//! The interface's bucket fills at its capacity, and all that passes is taken out of it. So it holds
//! what the rates in force leave unused: spare capacity is there for the next packet, not after an
//! interval. Every priority leaves more in the bucket than the one above it, so a higher one finds
//! something there whatever the lower ones want.

use std::collections::BTreeSet;

use stormbolt_common::police::{BLOCKED, ClassRate, InterfaceRate, NO_BORROWING};

use super::encode::{cost_per_byte, loan_ns, time_of_two_frames};
use crate::policy::{Class, Interface};
use crate::units::Nanoseconds;

/// Depth of an interface's bucket, as time at its capacity.
const DEPTH: Nanoseconds = Nanoseconds::from_millis(10);

/// An interface's capacity as the policer reads it, among these classes.
pub fn interface_rate(interface: &Interface, classes: &[Class]) -> InterfaceRate {
    let bursts = classes.iter().map(|class| {
        class
            .burst
            .0
            .saturating_add(class.treatment.ahead(class.burst).0)
    });
    match cost_per_byte(interface.capacity) {
        BLOCKED => InterfaceRate::default(),
        cost_per_byte => InterfaceRate {
            cost_per_byte,
            burst_ns: depth_ns(interface),
            debt_ns: bursts.max().unwrap_or(0).max(DEPTH.0),
        },
    }
}

/// Depth of an interface's bucket, as time at its capacity.
fn depth_ns(interface: &Interface) -> u64 {
    time_of_two_frames(interface.capacity).max(DEPTH.0)
}

/// How the classes of a policy borrow, by position.
pub struct Borrowing {
    /// The priorities that there are, the first of which is served first.
    priorities: Vec<u8>,
}

impl Borrowing {
    /// Among these classes.
    pub fn among(classes: &[Class]) -> Self {
        let priorities: BTreeSet<u8> = classes.iter().map(|class| class.priority).collect();
        Self {
            priorities: priorities.into_iter().collect(),
        }
    }

    /// Writes into `rate` what a class may borrow on an interface. One whose guarantee is its ceil does
    /// not borrow.
    pub fn write(&self, class: &Class, interface: &Interface, cpus: u32, rate: &mut ClassRate) {
        let ceil = class.ceil.filter(|ceil| *ceil < interface.capacity);
        if ceil.is_some_and(|ceil| ceil <= class.rate)
            || cost_per_byte(interface.capacity) == BLOCKED
        {
            rate.reserve_ns = NO_BORROWING;
            return;
        }
        let rank = self.priorities.partition_point(|one| *one < class.priority);
        let part = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        // At most seven eighths: there are eight priorities.
        let depth_ns = depth_ns(interface);
        rate.reserve_ns = depth_ns / part(self.priorities.len()).max(1) * part(rank);
        rate.loan_ns = loan_ns(depth_ns, cpus);
        rate.ceil_cost_per_byte = match ceil.map(cost_per_byte) {
            None => 0,
            Some(BLOCKED) => {
                rate.reserve_ns = NO_BORROWING;
                0
            }
            Some(cost) => cost,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stormbolt_common::police::COST_FRACTION_BITS;

    use super::*;
    use crate::policy::{AttachMode, Treatment};
    use crate::units::BitsPerSecond;

    fn class(priority: u8, rate: u64, ceil: Option<u64>) -> Class {
        Class {
            name: String::new(),
            priority,
            rate: BitsPerSecond(rate),
            ceil: ceil.map(BitsPerSecond),
            burst: Nanoseconds::from_millis(20),
            weight: 1,
            cpus: None,
            treatment: Treatment::default(),
        }
    }

    fn interface(capacity: u64) -> Interface {
        Interface {
            name: "eth0".to_owned(),
            capacity: BitsPerSecond(capacity),
            mode: AttachMode::Auto,
            overhead: 0,
        }
    }

    fn written(class: &Class, among: &[Class], capacity: u64) -> ClassRate {
        let mut rate = ClassRate::default();
        Borrowing::among(among).write(class, &interface(capacity), 2, &mut rate);
        rate
    }

    #[test]
    fn the_lower_the_priority_the_more_is_left() {
        let classes = [class(0, 0, None), class(3, 0, None), class(7, 0, None)];
        let reserve = |one: &Class| written(one, &classes, 1_000_000_000).reserve_ns;
        let reserves: Vec<u64> = classes.iter().map(reserve).collect();
        assert_eq!(reserves, [0, 3_333_333, 6_666_666]);
    }

    #[test]
    fn a_ceil_below_the_capacity_is_written() {
        let one = class(0, 0, Some(100_000_000));
        let rate = written(&one, std::slice::from_ref(&one), 1_000_000_000);
        assert_eq!(rate.ceil_cost_per_byte, 80 << COST_FRACTION_BITS);
        let one = class(0, 0, Some(1_000_000_000));
        let rate = written(&one, std::slice::from_ref(&one), 1_000_000_000);
        assert_eq!(rate.ceil_cost_per_byte, 0);
    }

    #[test]
    fn a_class_that_has_its_ceil_already_does_not_borrow() {
        for one in [class(0, 5_000_000, Some(5_000_000)), class(0, 0, Some(0))] {
            let rate = written(&one, std::slice::from_ref(&one), 1_000_000_000);
            assert_eq!(rate.reserve_ns, NO_BORROWING);
        }
    }

    proptest! {
        #[test]
        fn a_priority_leaves_room_for_those_above_it(
            priorities in prop::collection::vec(0..8_u8, 1..20),
            capacity in 8_000..400_000_000_000_u64,
            cpus in 1..1024_u32,
        ) {
            let classes: Vec<Class> =
                priorities.iter().map(|&priority| class(priority, 0, None)).collect();
            let depth = depth_ns(&interface(capacity));
            let mut rates: Vec<(u8, ClassRate)> = Vec::new();
            for one in &classes {
                let mut rate = ClassRate::default();
                Borrowing::among(&classes).write(one, &interface(capacity), cpus, &mut rate);
                prop_assert!(rate.reserve_ns < depth && u64::from(rate.loan_ns) <= depth);
                rates.push((one.priority, rate));
            }
            for (above, upper) in &rates {
                for (below, lower) in &rates {
                    prop_assert_eq!(above.cmp(below), upper.reserve_ns.cmp(&lower.reserve_ns));
                }
            }
        }
    }
}
