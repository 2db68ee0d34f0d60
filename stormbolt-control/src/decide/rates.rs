//! How an interface's capacity is shared out among its classes.
//!
//! Capacity is poured in rounds, in whole bit/s. Every round raises some classes up to a limit,
//! by weighted max-min: in proportion to their weights, except that nobody gets more than the
//! limit asks for. A round that cannot satisfy everybody leaves nothing to the rounds after it.
//!
//! 1. Every class: its demand, up to its guarantee.
//! 2. Priority by priority, 0 first: its demand, up to its ceil.
//! 3. Headroom, all classes together: up to the guarantee; then up to twice the demand; then up
//!    to the ceil.
//!
//! Weights share what is left *beyond* the guarantees. Headroom knows no priorities: when any is
//! left, everybody's demand is met, and priority has nothing to decide. It lets a class that grows
//! double within an interval, and one that starts find room before the controller has seen it.
//!
//! A guarantee stands even while others use it: [`Allotment::rate`] is never below it. So the
//! rates of an interface can add up to more than its capacity, by the guarantees of idle classes,
//! until the controller has seen those send.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::policy::Class;
use crate::units::BitsPerSecond;

/// At most one part in this many of the capacity is kept for classes that are not sending.
const STARTING_ROOM_PARTS: u64 = 64;

/// What one class may have and wants to have on one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// 0 is served first.
    pub priority: u8,
    /// Guaranteed rate. Above the ceil, the ceil wins.
    pub guarantee: BitsPerSecond,
    /// Highest rate; `None`: the interface's capacity.
    pub ceil: Option<BitsPerSecond>,
    /// Share among classes of one priority; zero counts as 1.
    pub weight: u32,
    /// What it would use.
    pub demand: BitsPerSecond,
}

/// What one class gets on one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allotment {
    /// The part of its demand that is met. The shares of an interface and their headroom never
    /// exceed its capacity together.
    pub share: BitsPerSecond,
    /// Capacity beyond that, which nobody wants now.
    pub headroom: BitsPerSecond,
    /// What stands in any case: the guarantee, cut to the ceil and the link.
    pub guarantee: BitsPerSecond,
}

impl Claim {
    /// What a class claims when it wants `demand`.
    pub fn new(class: &Class, demand: BitsPerSecond) -> Self {
        Self {
            priority: class.priority,
            guarantee: class.rate,
            ceil: class.ceil,
            weight: class.weight,
            demand,
        }
    }
}

impl Allotment {
    /// Share and headroom.
    pub fn allotted(&self) -> BitsPerSecond {
        self.share + self.headroom
    }

    /// The rate that the class is to be held to.
    pub fn rate(&self) -> BitsPerSecond {
        self.allotted().max(self.guarantee)
    }
}

/// The demand that a class without a guarantee is credited with while it sends less.
///
/// A class that starts under a flood of lower priority finds no headroom, and with a rate of zero
/// not even its handshakes would arrive; so each class keeps this foot in the door. All of them
/// together cost the others at most 1/64 of the capacity.
pub fn starting_room(capacity: BitsPerSecond, classes: usize) -> BitsPerSecond {
    let classes = u64::try_from(classes).unwrap_or(u64::MAX).max(4);
    BitsPerSecond(capacity.0 / STARTING_ROOM_PARTS / classes)
}

/// Shares `capacity` out among the claims, one allotment for each in their order.
///
/// Guarantees that exceed the capacity together, which a valid policy rules out, are scaled down
/// in proportion.
pub fn allot(capacity: BitsPerSecond, claims: &[Claim]) -> Vec<Allotment> {
    let mut accounts = open_accounts(capacity, claims);
    let mut left = capacity.0;

    fill(&mut left, accounts.iter_mut(), |account| {
        account.demand.min(account.guarantee)
    });
    let priorities: BTreeSet<u8> = claims.iter().map(|claim| claim.priority).collect();
    for priority in priorities {
        let level = accounts
            .iter_mut()
            .filter(|account| account.priority == priority);
        fill(&mut left, level, |account| account.demand);
    }
    for account in &mut accounts {
        account.share = account.given;
    }

    fill(&mut left, accounts.iter_mut(), |account| account.guarantee);
    fill(&mut left, accounts.iter_mut(), |account| {
        account.demand.saturating_mul(2).min(account.ceil)
    });
    fill(&mut left, accounts.iter_mut(), |account| account.ceil);

    let close = |account: Account| Allotment {
        share: BitsPerSecond(account.share),
        headroom: BitsPerSecond(account.given - account.share),
        guarantee: BitsPerSecond(account.guarantee),
    };
    accounts.into_iter().map(close).collect()
}

/// A claim cut to what is possible, in bit/s, and what it has been given so far.
struct Account {
    priority: u8,
    weight: u32,
    guarantee: u64,
    ceil: u64,
    /// Never above the ceil.
    demand: u64,
    given: u64,
    /// The part of `given` that meets demand.
    share: u64,
}

fn open_accounts(capacity: BitsPerSecond, claims: &[Claim]) -> Vec<Account> {
    let open = |claim: &Claim| {
        let ceil = claim.ceil.unwrap_or(capacity).min(capacity).0;
        Account {
            priority: claim.priority,
            weight: claim.weight.max(1),
            guarantee: claim.guarantee.0.min(ceil),
            ceil,
            demand: claim.demand.0.min(ceil),
            given: 0,
            share: 0,
        }
    };
    let mut accounts: Vec<Account> = claims.iter().map(open).collect();
    let promised: u128 = accounts
        .iter()
        .map(|account| u128::from(account.guarantee))
        .sum();
    if promised > u128::from(capacity.0) {
        for account in &mut accounts {
            account.guarantee = part(capacity.0, u128::from(account.guarantee), promised);
        }
    }
    accounts
}

/// Raises `accounts` towards their `limit` out of what is `left`, by weighted max-min.
///
/// Whoever needs least for its weight comes first; each takes its proportional part of what is
/// left or what it needs, whichever is less. What rounding leaves goes to those who come later,
/// so `left` is spent to the last bit/s while anybody stays below its limit.
fn fill<'a>(
    left: &mut u64,
    accounts: impl Iterator<Item = &'a mut Account>,
    limit: impl Fn(&Account) -> u64,
) {
    if *left == 0 {
        return;
    }
    let mut wanting: Vec<(u64, &mut Account)> = accounts
        .map(|account| (limit(account).saturating_sub(account.given), account))
        .filter(|(room, _)| *room > 0)
        .collect();
    // room_a / weight_a < room_b / weight_b, without division. The sort is stable, so equals keep
    // the order of the policy.
    wanting.sort_by(|(room_a, a), (room_b, b)| {
        let crosswise = |room: u64, weight: u32| u128::from(room) * u128::from(weight);
        crosswise(*room_a, b.weight).cmp(&crosswise(*room_b, a.weight))
    });
    let mut weights: u128 = wanting
        .iter()
        .map(|(_, account)| u128::from(account.weight))
        .sum();
    for (room, account) in wanting {
        let weight = u128::from(account.weight);
        let granted = room.min(part(*left, weight, weights));
        account.given += granted;
        *left -= granted;
        weights -= weight;
    }
}

/// `whole * numerator / denominator` for a fraction of at most one, rounded down.
fn part(whole: u64, numerator: u128, denominator: u128) -> u64 {
    // Numerators are at most 64 bits long, so the product fits; and so does the quotient.
    (u128::from(whole) * numerator)
        .checked_div(denominator)
        .and_then(|part| u64::try_from(part).ok())
        .unwrap_or(whole)
}
