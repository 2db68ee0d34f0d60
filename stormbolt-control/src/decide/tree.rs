//! The tree of an interface's classes: interface, groups, classes.
//!
//! Demand goes up: a group wants what its members want, up to its ceil. Capacity goes down: each level
//! shares what its parent has by the law. A guarantee stands even while others use it, so that whoever
//! starts is served from the first packet; only inside a group whose ceil is below the capacity it gives
//! way while others of the group use it, or the rates would add up to more than that ceil
//! (`docs/decisions/0012-groups.md`).

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::level::{Account, Level, Scratch, part};
use super::rates::{Allotment, starting_room};
use crate::policy::{Class, Group, Law, Policy};
use crate::units::BitsPerSecond;

/// The claims on one interface, level by level.
///
/// It is made once for a policy; every interval only the demands in it change.
#[derive(Clone, Debug)]
pub struct Tree {
    capacity: u64,
    /// All classes and groups: each level together, in the order of the priorities.
    accounts: Vec<Account>,
    /// Parents before their members, the interface's own level first.
    levels: Vec<Members>,
    /// By class, by position.
    allotments: Vec<Allotment>,
    lent: u128,
    scratch: Scratch,
}

/// The members of a group, or what stands below the interface itself.
#[derive(Clone, Debug)]
struct Members {
    /// The group's account; `None`: the interface.
    owner: Option<usize>,
    accounts: Range<usize>,
    /// What they may have together at most.
    ceil: u64,
    /// Whether guarantees stand while others use them.
    guarantees_stand: bool,
}

impl Tree {
    /// The tree of a policy's classes on a link that carries `capacity`.
    pub fn new(policy: &Policy, BitsPerSecond(capacity): BitsPerSecond) -> Self {
        let mut families = families(policy);
        let mut tree = Self {
            capacity,
            accounts: Vec::with_capacity(policy.classes.len() + policy.groups.len()),
            levels: Vec::new(),
            allotments: vec![Allotment::default(); policy.classes.len()],
            lent: 0,
            scratch: Scratch::default(),
        };
        let everything = families.first_mut().map(std::mem::take);
        tree.add(None, everything.unwrap_or_default(), (capacity, capacity));
        // Groups are added behind what is looked at, with their members still to come.
        let mut next = 0;
        while let Some(account) = tree.accounts.get(next) {
            let terms = (account.guarantee, account.ceil);
            if let Some(group) = tree.group_of(account)
                && let Some(family) = families.get_mut(group + 1)
            {
                let family = std::mem::take(family);
                tree.add(Some(next), family, terms);
            }
            next += 1;
        }
        tree
    }

    /// Adds a level whose members share at most `ceil` and are guaranteed at most `guarantee` together.
    fn add(
        &mut self,
        owner: Option<usize>,
        mut family: Vec<Account>,
        (guarantee, ceil): (u64, u64),
    ) {
        for account in &mut family {
            account.ceil = account.ceil.min(ceil);
            account.guarantee = account.guarantee.min(account.ceil);
        }
        scale_guarantees(guarantee, &mut family);
        // Stable: the order of the policy inside a priority.
        family.sort_by_key(|account| account.priority);
        let start = self.accounts.len();
        self.accounts.append(&mut family);
        self.levels.push(Members {
            owner,
            accounts: start..self.accounts.len(),
            ceil,
            guarantees_stand: ceil >= self.capacity,
        });
    }

    /// The group that an account is, by position; `None`: it is a class.
    fn group_of(&self, account: &Account) -> Option<usize> {
        position(account).checked_sub(self.allotments.len())
    }

    /// What the law gives each class, by position, when each of them wants its `demand`.
    pub fn allot(&mut self, law: Law, demand: impl Fn(usize) -> BitsPerSecond) -> &[Allotment] {
        self.gather(demand);
        self.pour_out(law);
        &self.allotments
    }

    /// What the last [`Self::allot`] said.
    pub fn allotments(&self) -> &[Allotment] {
        &self.allotments
    }

    /// Notes what everybody wants, members before their groups.
    fn gather(&mut self, demand: impl Fn(usize) -> BitsPerSecond) {
        let classes = self.allotments.len();
        for account in &mut self.accounts {
            let wanted = match position(account) {
                class if class < classes => demand(class).0,
                _ => 0,
            };
            account.demand = wanted.min(account.ceil);
            account.given = 0;
        }
        for level in self.levels.iter().rev() {
            let Some(owner) = level.owner else { continue };
            let members = self
                .accounts
                .get(level.accounts.clone())
                .unwrap_or_default();
            let wanted = members.iter().map(|account| account.demand);
            let wanted = wanted.fold(0, u64::saturating_add);
            if let Some(owner) = self.accounts.get_mut(owner) {
                owner.demand = wanted.min(owner.ceil);
            }
        }
    }

    /// Shares the capacity out, groups before their members.
    fn pour_out(&mut self, law: Law) {
        let law = law.update_law();
        self.lent = 0;
        for level in &self.levels {
            let owner = level.owner.and_then(|owner| self.accounts.get(owner));
            let pot = owner.map_or(self.capacity, |owner| owner.given);
            let Some(members) = self.accounts.get_mut(level.accounts.clone()) else {
                continue;
            };
            law.update(&mut Level::new(members, pot, &mut self.scratch));
            for account in members {
                let standing = if level.guarantees_stand {
                    account.guarantee
                } else {
                    account.guarantee.min(account.given)
                };
                self.lent += u128::from(standing.saturating_sub(account.given));
                if let Some(allotment) = self.allotments.get_mut(position(account)) {
                    let share = account.given.min(account.demand);
                    *allotment = Allotment {
                        share: BitsPerSecond(share),
                        headroom: BitsPerSecond(account.given - share),
                        guarantee: BitsPerSecond(standing),
                    };
                } else {
                    // What a group has for its members.
                    account.given = account.given.max(standing);
                }
            }
        }
    }

    /// By how much the rates of the allotments may exceed the capacity: guarantees that stand while others
    /// use them.
    pub fn lent(&self) -> u128 {
        self.lent
    }

    /// Lowers rates on their way to the allotments where those of a group exceed its ceil.
    pub fn hold_ceils(&mut self, rates: &mut [BitsPerSecond]) {
        let is_held = |level: &&Members| !level.guarantees_stand;
        if !self.levels.iter().any(|level| is_held(&level)) {
            return;
        }
        for account in &mut self.accounts {
            if let Some(rate) = rates.get(position(account)) {
                account.given = rate.0;
            }
        }
        let mut is_exceeded = false;
        for level in self.levels.iter().rev() {
            let Some(owner) = level.owner else { continue };
            let members = self.accounts.get(level.accounts.clone());
            let given = members
                .unwrap_or_default()
                .iter()
                .map(|account| account.given);
            let total = given.fold(0, u64::saturating_add);
            is_exceeded |= total > level.ceil && is_held(&level);
            if let Some(owner) = self.accounts.get_mut(owner) {
                owner.given = total;
            }
        }
        if !is_exceeded {
            return;
        }
        for level in self.levels.iter().filter(is_held) {
            let members = self.accounts.get(level.accounts.clone());
            for account in members.unwrap_or_default() {
                let class = position(account);
                if let (Some(rate), Some(allotment)) =
                    (rates.get_mut(class), self.allotments.get(class))
                {
                    *rate = allotment.rate().min(*rate);
                }
            }
        }
    }
}

/// What each class is credited with while it wants less, by position.
///
/// A guarantee that stands needs no foot in the door.
pub fn least_demands(policy: &Policy, capacity: BitsPerSecond) -> Vec<BitsPerSecond> {
    let rooms = starting_rooms(policy, capacity).into_iter();
    let rooms = rooms.zip(&policy.classes).enumerate();
    let credited = rooms.map(|(class, (room, spec))| {
        if spec.rate < room || policy.is_capped(class, capacity) {
            room
        } else {
            BitsPerSecond::ZERO
        }
    });
    credited.collect()
}

/// What each class needs to start, by position: little of the link, and little of what any group that it
/// is in may have.
pub(super) fn starting_rooms(policy: &Policy, capacity: BitsPerSecond) -> Vec<BitsPerSecond> {
    let mut members = vec![0_usize; policy.groups.len()];
    for class in 0..policy.classes.len() {
        for group in policy.groups_of(class) {
            if let Some(members) = members.get_mut(group) {
                *members += 1;
            }
        }
    }
    let of_group = |(group, &members): (&Group, &usize)| {
        let ceil = group.ceil.map_or(capacity, |ceil| ceil.min(capacity));
        starting_room(ceil, members)
    };
    let of_groups: Vec<BitsPerSecond> = policy.groups.iter().zip(&members).map(of_group).collect();
    let of_link = starting_room(capacity, policy.classes.len());
    let of_class = |class| {
        let rooms = policy
            .groups_of(class)
            .filter_map(|group| of_groups.get(group));
        rooms.copied().fold(of_link, BitsPerSecond::min)
    };
    (0..policy.classes.len()).map(of_class).collect()
}

/// What stands below the interface itself, then what stands in each group.
fn families(policy: &Policy) -> Vec<Vec<Account>> {
    let mut families = vec![Vec::new(); policy.groups.len() + 1];
    let mut add = |parent: Option<usize>, account: Account| {
        let family = parent.map_or(0, |group| group + 1);
        if let Some(family) = families.get_mut(family) {
            family.push(account);
        }
    };
    for (number, class) in (0_u32..).zip(&policy.classes) {
        add(class.group, of_class(number, class));
    }
    let first = u32::try_from(policy.classes.len()).unwrap_or(u32::MAX);
    for (number, group) in (first..).zip(&policy.groups) {
        add(group.parent, of_group(number, group));
    }
    families
}

fn of_class(number: u32, class: &Class) -> Account {
    account(
        number,
        (class.rate, class.ceil),
        class.weight,
        class.priority,
    )
}

fn of_group(number: u32, group: &Group) -> Account {
    account(
        number,
        (group.rate, group.ceil),
        group.weight,
        group.priority,
    )
}

fn account(
    number: u32,
    (guarantee, ceil): (BitsPerSecond, Option<BitsPerSecond>),
    weight: u32,
    priority: u8,
) -> Account {
    Account {
        guarantee: guarantee.0,
        ceil: ceil.map_or(u64::MAX, |ceil| ceil.0),
        demand: 0,
        given: 0,
        number,
        weight: weight.max(1),
        priority,
    }
}

/// Position of a class, or beyond all of them.
fn position(account: &Account) -> usize {
    usize::try_from(account.number).unwrap_or(usize::MAX)
}

/// Scales guarantees down in proportion that exceed what they are part of, which a valid policy rules
/// out.
fn scale_guarantees(guarantee: u64, accounts: &mut [Account]) {
    let promised: u128 = accounts
        .iter()
        .map(|account| u128::from(account.guarantee))
        .sum();
    if promised <= u128::from(guarantee) {
        return;
    }
    for account in accounts {
        account.guarantee = part(guarantee, account.guarantee, promised);
    }
}
