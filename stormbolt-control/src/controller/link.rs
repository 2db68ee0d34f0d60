//! The claims on one interface, and how its capacity follows its link.

use crate::decide::{Adaptation, Allotment, Tree, least_demands, next_rates};
use crate::estimate::{Arrivals, ClassEstimate, Echoes, LinkEstimate, LinkEstimator};
use crate::observe::LinkSignals;
use crate::policy::{Adaptive, Interface, Law, Policy};
use crate::units::{BitsPerSecond, Nanoseconds};

/// The claims on one interface.
#[derive(Clone, Debug)]
pub(super) struct Link {
    capacity: BitsPerSecond,
    tree: Tree,
    /// What each class is credited with while it wants less.
    least: Vec<BitsPerSecond>,
    /// The rates of the next interval; kept for its memory.
    next: Vec<BitsPerSecond>,
    /// Where the capacity follows the link.
    pub(super) following: Option<Following>,
}

/// How the capacity of one interface follows its link.
#[derive(Clone, Debug)]
pub struct Following {
    /// As the policy has it.
    interface: Interface,
    adaptive: Adaptive,
    estimator: LinkEstimator,
    estimate: LinkEstimate,
    adaptation: Adaptation,
}

pub(super) fn links(policy: &Policy) -> Vec<Link> {
    let link = |interface: &Interface| Link {
        capacity: interface.capacity,
        tree: Tree::new(policy, interface.capacity),
        least: least_demands(policy, interface.capacity),
        next: Vec::with_capacity(policy.classes.len()),
        following: Following::new(interface),
    };
    policy.interfaces.iter().map(link).collect()
}

impl Link {
    /// Shares out another capacity from now on; the policy is as before.
    pub(super) fn share_out(&mut self, policy: &Policy, capacity: BitsPerSecond) {
        self.capacity = capacity;
        self.tree = Tree::new(policy, capacity);
        self.least = least_demands(policy, capacity);
    }

    /// What the estimates entitle every class to.
    pub(super) fn allot(&mut self, law: Law, estimates: &[ClassEstimate]) -> &[Allotment] {
        let (tree, least) = (&mut self.tree, &self.least);
        tree.allot(law, |class| {
            let demand = estimates.get(class).map(|estimate| estimate.demand);
            let least = least.get(class).copied();
            demand.unwrap_or_default().max(least.unwrap_or_default())
        })
    }

    /// The rates after those in force: `rate_{k+1} = update(rate_k, Δt)`.
    pub(super) fn next_rates(
        &mut self,
        law: Law,
        estimates: &[ClassEstimate],
        in_force: &[BitsPerSecond],
    ) -> &[BitsPerSecond] {
        self.allot(law, estimates);
        let bound = u128::from(self.capacity.0) + self.tree.lent();
        next_rates(bound, in_force, self.tree.allotments(), &mut self.next);
        self.tree.hold_ceils(&mut self.next);
        &self.next
    }
}

impl Following {
    /// `None`: the capacity of `interface` does not follow.
    fn new(interface: &Interface) -> Option<Self> {
        let adaptive = interface.adaptive.clone()?;
        Some(Self {
            estimator: LinkEstimator::new(interface, &adaptive),
            estimate: LinkEstimate::default(),
            adaptation: Adaptation::new(interface),
            interface: interface.clone(),
            adaptive,
        })
    }

    /// The same link under the policy of `next`. It starts anew where that starts elsewhere.
    #[must_use]
    pub(super) fn under(&self, next: &Self) -> Self {
        let starts_anew = self.interface.capacity != next.interface.capacity;
        Self {
            estimator: self.estimator.rearranged(&next.interface, &next.adaptive),
            estimate: self.estimate,
            adaptation: if starts_anew {
                next.adaptation
            } else {
                self.adaptation.within(&next.adaptive)
            },
            interface: next.interface.clone(),
            adaptive: next.adaptive.clone(),
        }
    }

    /// Takes in an interval, and says what the capacity is after it.
    pub(super) fn capacity_after(
        &mut self,
        times: (Nanoseconds, Nanoseconds),
        arrivals: Arrivals,
        signals: &LinkSignals,
    ) -> BitsPerSecond {
        self.estimate = self.estimator.observe(times, arrivals, signals);
        self.adaptation =
            self.adaptation
                .after(&self.estimate, &self.interface, &self.adaptive, times);
        self.adaptation.capacity()
    }

    /// The capacity in force.
    pub fn capacity(&self) -> BitsPerSecond {
        self.adaptation.capacity()
    }

    /// What the capacity has been through.
    pub fn adaptation(&self) -> &Adaptation {
        &self.adaptation
    }

    /// What the link did in the last interval.
    pub fn estimate(&self) -> &LinkEstimate {
        &self.estimate
    }

    /// The answers to echo requests.
    pub fn echoes(&self) -> &Echoes {
        self.estimator.echoes()
    }
}
