//! The laws by which rates are updated.
//!
//! With the estimate, which puts what happened during Δt into the demands, and the damping, which leads
//! from the rates in force to those that a law allots, a law is the controller's
//! `rate_{k+1} = update(rate_k, Δt)`.

#[cfg(test)]
mod tests;

use super::level::{Level, Limit, Parts, Turns};
use crate::policy::Law;

/// How one level of the tree shares what its parent has among its claims.
///
/// Whatever the law, guarantees come first, then demand, then spare capacity; nobody gets more than its
/// ceil, the level no more than its parent has, and nothing is left while anybody wants it.
pub trait UpdateLaw: Sync {
    /// Meets the demand beyond the guarantees.
    fn meet(&self, level: &mut Level<'_>);

    /// Hands out what is left when every demand is met: up to the guarantees, then beyond.
    fn spare(&self, level: &mut Level<'_>);

    /// Shares out the whole level.
    fn update(&self, level: &mut Level<'_>) {
        // Guarantees fit, so nobody has to give way to anybody.
        level.raise(Turns::Together, Parts::Weighted, Limit::GuaranteedDemand);
        self.meet(level);
        self.spare(level);
    }
}

impl Law {
    /// The law itself.
    pub fn update_law(self) -> &'static dyn UpdateLaw {
        match self {
            Self::MaxMin => &MaxMin,
            Self::Strict => &Strict,
            Self::Proportional => &Proportional,
        }
    }
}

/// Priority by priority; inside one by weighted max-min.
///
/// Weights share what is left *beyond* the guarantees. Spare capacity knows no priorities: when any is
/// left, everybody's demand is met, and priority has nothing to decide. It lets a class that grows
/// double within an interval, and one that starts find room before the controller has seen it.
struct MaxMin;

impl UpdateLaw for MaxMin {
    fn meet(&self, level: &mut Level<'_>) {
        level.raise(Turns::ByPriority, Parts::Weighted, Limit::Demand);
    }

    fn spare(&self, level: &mut Level<'_>) {
        level.raise(Turns::Together, Parts::Weighted, Limit::Guarantee);
        level.raise(Turns::Together, Parts::Weighted, Limit::TwiceDemand);
        level.raise(Turns::Together, Parts::Weighted, Limit::Ceil);
    }
}

/// Priority by priority in everything; inside one the smallest demand first, in equal parts.
///
/// What nobody wants stands ready for the highest priority alone, up to its ceil, before the next one has
/// anything beyond what it wants, is guaranteed and needs to start.
struct Strict;

impl UpdateLaw for Strict {
    fn meet(&self, level: &mut Level<'_>) {
        level.raise(Turns::ByPriority, Parts::Equal, Limit::Demand);
    }

    fn spare(&self, level: &mut Level<'_>) {
        level.raise(Turns::Together, Parts::Equal, Limit::Guarantee);
        level.raise(Turns::ByPriority, Parts::Equal, Limit::Ceil);
    }
}

/// By weight alone: of what the guarantees leave, each that wants more has its weight's part of the
/// weights of all who do.
///
/// That is what operators know as shares: the weights of cgroups (Linux, `cgroup-v2.rst`, "Weights"),
/// proportional-share scheduling (Waldspurger and Weihl, OSDI 1994), generalized processor sharing (Parekh
/// and Gallager, 1993). Parts in proportion to weight and *demand*, which the words would allow too, would
/// give most to whoever sends most, so that a flood bought itself a larger part.
struct Proportional;

impl UpdateLaw for Proportional {
    fn meet(&self, level: &mut Level<'_>) {
        level.raise(Turns::Together, Parts::Weighted, Limit::Demand);
    }

    fn spare(&self, level: &mut Level<'_>) {
        level.raise(Turns::Together, Parts::Weighted, Limit::Guarantee);
        level.raise(Turns::Together, Parts::Weighted, Limit::TwiceDemand);
        level.raise(Turns::Together, Parts::Weighted, Limit::Ceil);
    }
}
