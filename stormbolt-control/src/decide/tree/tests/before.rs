//! How rates were allotted before there were groups: slowly, and plainly right.

use std::collections::BTreeSet;

use crate::decide::rates::Allotment;
use crate::policy::Class;
use crate::units::BitsPerSecond;

/// What a class may have and wants to have.
pub(super) struct Claim<'a> {
    pub(super) class: &'a Class,
    pub(super) demand: BitsPerSecond,
}

/// Shares `capacity` out among the claims, one allotment for each in their order.
///
/// Guarantees that exceed the capacity together, which a valid policy rules out, are scaled down
/// in proportion.
pub(super) fn allot(capacity: BitsPerSecond, claims: &[Claim<'_>]) -> Vec<Allotment> {
    let mut accounts = open_accounts(capacity, claims);
    let mut left = capacity.0;

    fill(&mut left, accounts.iter_mut(), |account| {
        account.demand.min(account.guarantee)
    });
    let priorities: BTreeSet<u8> = claims.iter().map(|claim| claim.class.priority).collect();
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

fn open_accounts(capacity: BitsPerSecond, claims: &[Claim<'_>]) -> Vec<Account> {
    let open = |claim: &Claim<'_>| {
        let ceil = claim.class.ceil.unwrap_or(capacity).min(capacity).0;
        Account {
            priority: claim.class.priority,
            weight: claim.class.weight.max(1),
            guarantee: claim.class.rate.0.min(ceil),
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
