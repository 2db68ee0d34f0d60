//! A model of the data path on one interface: what passes of what is offered.
//!
//! Traffic is a fluid. A class passes what it offers up to its rate; what the rates in force leave of
//! the capacity is borrowed in the order of the reserves that are written for the data path, up to the
//! ceils, and among equals in proportion to what they still want. Buckets, leases and frames are left out: bursts
//! come on top of what is passed here.

use stormbolt_common::police::{ClassRate, NO_BORROWING};
use stormbolt_control::decide::Borrowing;
use stormbolt_control::policy::Policy;
use stormbolt_control::units::BitsPerSecond;

/// An interface and its classes, as far as rates do not change.
pub(crate) struct Link {
    capacity: u64,
    ceils: Vec<u64>,
    /// The classes that borrow: those with the same reserve together, the lowest reserve first.
    borrowers: Vec<Vec<usize>>,
}

impl Link {
    pub(crate) fn new(policy: &Policy) -> Self {
        let capacity = policy.interfaces.first();
        let capacity = capacity.map_or(0, |interface| interface.capacity.0);
        let borrowing = Borrowing::of(policy);
        let reserve = |class: usize| {
            let mut rate = ClassRate::default();
            borrowing.write(policy, (0, class), 1, &mut rate);
            (rate.reserve_ns, class)
        };
        let classes = (0..policy.classes.len()).map(reserve);
        let mut classes: Vec<(u64, usize)> = classes
            .filter(|(reserve, _)| *reserve != NO_BORROWING)
            .collect();
        classes.sort_unstable();
        let borrowers = classes.chunk_by(|(a, _), (b, _)| a == b);
        let borrowers = borrowers.map(|equals| equals.iter().map(|(_, class)| *class).collect());
        let ceil = |ceil: Option<BitsPerSecond>| ceil.map_or(capacity, |ceil| ceil.0.min(capacity));
        Self {
            capacity,
            ceils: policy
                .classes
                .iter()
                .map(|class| ceil(class.ceil))
                .collect(),
            borrowers: borrowers.collect(),
        }
    }

    /// What passes of each class, in bit/s, when this is offered under these rates.
    pub(crate) fn pass(&self, offered: &[u64], rates: &[BitsPerSecond]) -> Vec<u64> {
        let own = offered.iter().zip(rates);
        let mut passed: Vec<u64> = own.map(|(&offered, rate)| offered.min(rate.0)).collect();
        let mut left = self.capacity.saturating_sub(passed.iter().sum());
        for equals in &self.borrowers {
            let wanted = |class: usize, passed: &[u64]| {
                let most = offered.get(class).min(self.ceils.get(class));
                let already = passed.get(class);
                most.zip(already)
                    .map_or(0, |(most, already)| most.saturating_sub(*already))
            };
            let total: u64 = equals.iter().map(|&class| wanted(class, &passed)).sum();
            let granted = total.min(left);
            for &class in equals {
                let part = u128::from(granted) * u128::from(wanted(class, &passed));
                let part = part.checked_div(u128::from(total)).unwrap_or(0);
                if let Some(passed) = passed.get_mut(class) {
                    *passed += u64::try_from(part).unwrap_or(0);
                }
            }
            left -= granted;
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version = 1\n[interface.eth0]\ncapacity = \"1Gbit\"\n\
        [group.g]\nceil = \"500Mbit\"\n[class.high]\npriority = 0\nceil = \"600Mbit\"\n\
        [class.low]\npriority = 7\n[class.in-group]\ngroup = \"g\"\n[default]\nclass = \"low\"\n";

    fn passed(offered: [u64; 3], rates: [u64; 3]) -> Vec<u64> {
        let policy = stormbolt::config::parse("p", POLICY).unwrap().policy;
        let mega = |numbers: [u64; 3]| numbers.map(|number| number * 1_000_000);
        let passed = Link::new(&policy).pass(&mega(offered), &mega(rates).map(BitsPerSecond));
        passed.iter().map(|passed| passed / 1_000_000).collect()
    }

    #[test]
    fn a_class_passes_its_rate_and_borrows_what_is_left_by_priority_up_to_its_ceil() {
        assert_eq!(passed([100, 100, 0], [200, 200, 0]), [100, 100, 0]);
        assert_eq!(passed([2_000, 2_000, 0], [200, 200, 0]), [600, 400, 0]);
        assert_eq!(passed([500, 2_000, 0], [200, 200, 0]), [500, 500, 0]);
        // Rates that add up to more than the capacity all pass.
        assert_eq!(passed([2_000, 2_000, 0], [600, 700, 0]), [600, 700, 0]);
    }

    #[test]
    fn a_class_in_a_group_with_a_ceil_passes_its_rate_alone() {
        assert_eq!(passed([0, 0, 2_000], [0, 0, 300]), [0, 0, 300]);
    }
}
