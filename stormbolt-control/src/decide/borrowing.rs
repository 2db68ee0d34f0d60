//! What classes may borrow of an interface's capacity that nobody uses, between one interval and the
//! next.
//!
//! The interface's bucket fills at its capacity, and all that passes is taken out of it. So it holds
//! what the rates in force leave unused: spare capacity is there for the next packet, not after an
//! interval. Every priority leaves more in the bucket than the one above it, so a higher one finds
//! something there whatever the lower ones want.

use stormbolt_common::police::{BLOCKED, ClassRate, InterfaceRate, NO_BORROWING};

use super::encode::{cost_per_byte, loan_ns, time_of_two_frames};
use crate::policy::{Class, Interface, Law, MAX_LEVELS, Policy};
use crate::units::Nanoseconds;

/// Depth of an interface's bucket, as time at its capacity.
const DEPTH: Nanoseconds = Nanoseconds::from_millis(10);

/// An interface's capacity as the policer reads it, among these classes.
pub fn interface_rate(interface: &Interface, classes: &[Class]) -> InterfaceRate {
    // All that a class may spend at once: its burst, half as far again as what it allows ahead where a flow has had little,
    // and half of the burst beside that.
    let bursts = classes.iter().map(|class| {
        let ahead = class.treatment.ahead(class.burst).0;
        let half_again = |time: u64| time.saturating_add(time / 2);
        if ahead == 0 {
            class.burst.0
        } else {
            half_again(class.burst.0).saturating_add(half_again(ahead))
        }
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
    /// How many classes are served before this one, if those of equal rank count as one.
    ranks: Vec<u64>,
    rank_count: u64,
}

impl Borrowing {
    /// Under this policy: by the priorities of the outermost groups, inside each of these by those of the
    /// next ones, and so on down to the classes' own. Where the law knows no priorities, nobody comes first.
    pub fn of(policy: &Policy) -> Self {
        let paths = (0..policy.classes.len()).map(|class| path(policy, class));
        let paths: Vec<_> = paths.collect();
        let mut distinct = paths.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let rank = |path: &Path| number(distinct.partition_point(|one| one < path));
        Self {
            ranks: paths.iter().map(rank).collect(),
            rank_count: number(distinct.len()).max(1),
        }
    }

    /// Writes into `rate` what a class may borrow on an interface, both by position.
    ///
    /// One whose guarantee is its ceil does not borrow. Nor does one in a group with a ceil below the
    /// capacity: what borrows together would not be held to that ceil.
    pub fn write(
        &self,
        policy: &Policy,
        (interface, class): (usize, usize),
        cpus: u32,
        rate: &mut ClassRate,
    ) {
        let spec = policy.classes.get(class).zip(self.ranks.get(class));
        let (Some(interface), Some((spec, rank))) = (policy.interfaces.get(interface), spec) else {
            return;
        };
        let ceil = spec.ceil.filter(|ceil| *ceil < interface.capacity);
        if ceil.is_some_and(|ceil| ceil <= spec.rate)
            || policy.is_capped(class, interface.capacity)
            || cost_per_byte(interface.capacity) == BLOCKED
        {
            rate.reserve_ns = NO_BORROWING;
            return;
        }
        // Never all of it: a rank is below their number.
        let depth_ns = depth_ns(interface);
        rate.reserve_ns = depth_ns / self.rank_count * rank;
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

/// Priorities from the interface down to a class, the outermost group's first.
type Path = [u8; MAX_LEVELS];

fn path(policy: &Policy, class: usize) -> Path {
    let mut path = Path::default();
    if policy.law == Law::Proportional {
        return path;
    }
    let own = policy.classes.get(class).map(|class| class.priority);
    let groups = policy
        .groups_of(class)
        .filter_map(|group| policy.groups.get(group));
    let mut inside_out: Vec<u8> = own
        .into_iter()
        .chain(groups.map(|group| group.priority))
        .collect();
    inside_out.reverse();
    for (place, priority) in path.iter_mut().zip(inside_out) {
        *place = priority;
    }
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stormbolt_common::police::COST_FRACTION_BITS;

    use super::*;
    use crate::policy::{AttachMode, Group, Treatment};
    use crate::units::BitsPerSecond;

    fn class(priority: u8, rate: u64, ceil: Option<u64>) -> Class {
        Class {
            name: String::new(),
            priority,
            rate: BitsPerSecond(rate),
            ceil: ceil.map(BitsPerSecond),
            group: None,
            per_source: None,
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
            adaptive: None,
            then: None,
        }
    }

    fn policy(classes: &[Class], capacity: u64) -> Policy {
        Policy {
            interfaces: vec![interface(capacity)],
            classes: classes.to_vec(),
            ..Policy::empty()
        }
    }

    fn group(parent: Option<usize>, priority: u8, ceil: Option<u64>) -> Group {
        Group {
            name: String::new(),
            parent,
            priority,
            rate: BitsPerSecond::ZERO,
            ceil: ceil.map(BitsPerSecond),
            weight: 1,
        }
    }

    /// What is written for each class.
    fn written(policy: &Policy, cpus: u32) -> Vec<ClassRate> {
        let borrowing = Borrowing::of(policy);
        let written = |class| {
            let mut rate = ClassRate::default();
            borrowing.write(policy, (0, class), cpus, &mut rate);
            rate
        };
        (0..policy.classes.len()).map(written).collect()
    }

    fn alone(class: Class) -> ClassRate {
        written(&policy(&[class], 1_000_000_000), 2)[0]
    }

    fn reserves(policy: &Policy) -> Vec<u64> {
        written(policy, 2)
            .iter()
            .map(|rate| rate.reserve_ns)
            .collect()
    }

    #[test]
    fn the_lower_the_priority_the_more_is_left() {
        let classes = [class(0, 0, None), class(3, 0, None), class(7, 0, None)];
        let mut policy = policy(&classes, 1_000_000_000);
        assert_eq!(reserves(&policy), [0, 3_333_333, 6_666_666]);
        policy.law = Law::Strict;
        assert_eq!(reserves(&policy), [0, 3_333_333, 6_666_666]);
        policy.law = Law::Proportional;
        assert_eq!(reserves(&policy), [0, 0, 0]);
    }

    #[test]
    fn the_priorities_of_groups_come_before_those_of_their_classes() {
        let mut classes = [
            class(3, 0, None),
            class(7, 0, None),
            class(0, 0, None),
            class(5, 0, None),
        ];
        classes[1].group = Some(0);
        classes[2].group = Some(1);
        classes[3].group = Some(1);
        let mut policy = policy(&classes, 1_000_000_000);
        policy.groups = vec![group(None, 0, None), group(None, 7, None)];
        assert_eq!(reserves(&policy), [2_500_000, 0, 5_000_000, 7_500_000]);
    }

    #[test]
    fn what_is_in_a_group_with_a_ceil_below_the_capacity_does_not_borrow() {
        let mut classes = [class(0, 0, None), class(0, 0, None)];
        classes[1].group = Some(1);
        let mut policy = policy(&classes, 1_000_000_000);
        policy.groups = vec![group(None, 0, Some(999_999_999)), group(Some(0), 0, None)];
        assert_eq!(reserves(&policy), [0, NO_BORROWING]);
        policy.groups[0].ceil = Some(BitsPerSecond(1_000_000_000));
        assert_eq!(reserves(&policy), [0, 0]);
    }

    #[test]
    fn a_ceil_below_the_capacity_is_written() {
        let rate = alone(class(0, 0, Some(100_000_000)));
        assert_eq!(rate.ceil_cost_per_byte, 80 << COST_FRACTION_BITS);
        let rate = alone(class(0, 0, Some(1_000_000_000)));
        assert_eq!(rate.ceil_cost_per_byte, 0);
    }

    #[test]
    fn a_class_that_has_its_ceil_already_does_not_borrow() {
        for one in [class(0, 5_000_000, Some(5_000_000)), class(0, 0, Some(0))] {
            assert_eq!(alone(one).reserve_ns, NO_BORROWING);
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
            let rates = written(&policy(&classes, capacity), cpus);
            let rates: Vec<(u8, ClassRate)> = priorities.into_iter().zip(rates).collect();
            for (_, rate) in &rates {
                prop_assert!(rate.reserve_ns < depth && u64::from(rate.loan_ns) <= depth);
            }
            for (above, upper) in &rates {
                for (below, lower) in &rates {
                    prop_assert_eq!(above.cmp(below), upper.reserve_ns.cmp(&lower.reserve_ns));
                }
            }
        }
    }
}
