//! One level of the tree of classes: claims beside each other, and the rounds in which what their
//! parent has is poured out among them.
//!
//! Everything is in whole bit/s. A round raises some claims up to a limit by max-min: in proportion to
//! their weights, except that nobody gets more than the limit asks for. A round that cannot satisfy
//! everybody leaves nothing to the rounds after it, so only one round of a level ever has to find out
//! who gets how much; the others take one look at the claims to see that all can have what they want.

/// What one class or group may have and wants to have at its level, and what it has been given so far.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// Guaranteed rate, never above the ceil.
    pub(super) guarantee: u64,
    /// Highest rate.
    pub(super) ceil: u64,
    /// What it would use, never above the ceil.
    pub(super) demand: u64,
    /// What it has been given so far.
    pub(super) given: u64,
    /// Its number: that of a class is its position in the policy, those of groups follow. Of equals the
    /// one with the lower number comes first.
    pub(super) number: u32,
    /// At least one.
    pub(super) weight: u32,
    /// 0 is served first.
    pub(super) priority: u8,
}

/// A level while its parent's capacity is poured out.
pub struct Level<'a> {
    /// In the order of their priorities.
    accounts: &'a mut [Account],
    left: u64,
    scratch: &'a mut Scratch,
}

/// Memory that levels use one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch(Vec<Wanting>);

/// Who is raised together in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// All at once.
    Together,
    /// Priority by priority, 0 first: one gets something when all before it have all that they may.
    ByPriority,
}

/// In what proportion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// By weight.
    Weighted,
    /// Everybody alike.
    Equal,
}

/// Up to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The demand, as far as it is guaranteed.
    GuaranteedDemand,
    /// The demand.
    Demand,
    /// The guarantee.
    Guarantee,
    /// Twice the demand.
    TwiceDemand,
    /// The ceil.
    Ceil,
}

impl<'a> Level<'a> {
    /// `accounts`, in the order of their priorities, share `capacity`.
    pub(super) fn new(
        accounts: &'a mut [Account],
        capacity: u64,
        scratch: &'a mut Scratch,
    ) -> Self {
        Self {
            accounts,
            left: capacity,
            scratch,
        }
    }

    /// One round, or one for each priority, out of what is left.
    pub fn raise(&mut self, turns: Turns, parts: Parts, limit: Limit) {
        match limit {
            Limit::GuaranteedDemand => self.raise_to(turns, parts, |a| a.demand.min(a.guarantee)),
            Limit::Demand => self.raise_to(turns, parts, |a| a.demand),
            Limit::Guarantee => self.raise_to(turns, parts, |a| a.guarantee),
            Limit::TwiceDemand => {
                self.raise_to(turns, parts, |a| a.demand.saturating_mul(2).min(a.ceil));
            }
            Limit::Ceil => self.raise_to(turns, parts, |a| a.ceil),
        }
    }

    fn raise_to(&mut self, turns: Turns, parts: Parts, limit: impl Fn(&Account) -> u64) {
        let mut round = |accounts: &mut [Account]| {
            pour(&mut self.left, accounts, parts, &limit, self.scratch);
        };
        match turns {
            Turns::Together => round(self.accounts),
            Turns::ByPriority => {
                let priorities = self.accounts.chunk_by_mut(|a, b| a.priority == b.priority);
                priorities.for_each(round);
            }
        }
    }
}

/// An account below the limit of a round that cannot satisfy everybody.
#[derive(Clone, Copy, Debug)]
struct Wanting {
    /// What it lacks up to the limit.
    room: u64,
    /// [`Self::room`] for its weight, rounded down, in 2^-20 bit/s.
    room_per_weight: u64,
    weight: u32,
    number: u32,
    /// Position among the accounts of the round.
    position: usize,
}

impl Account {
    fn weight(&self, parts: Parts) -> u32 {
        match parts {
            Parts::Weighted => self.weight,
            Parts::Equal => 1,
        }
    }
}

/// Raises `accounts` towards their `limit` out of what is `left`.
fn pour(
    left: &mut u64,
    accounts: &mut [Account],
    parts: Parts,
    limit: &impl Fn(&Account) -> u64,
    scratch: &mut Scratch,
) {
    if *left == 0 {
        return;
    }
    let room = |account: &Account| limit(account).saturating_sub(account.given);
    let wanted: u128 = accounts
        .iter()
        .map(|account| u128::from(room(account)))
        .sum();
    if let Ok(wanted) = u64::try_from(wanted)
        && wanted <= *left
    {
        if wanted > 0 {
            for account in accounts {
                account.given = account.given.max(limit(account));
            }
            *left -= wanted;
        }
        return;
    }
    let wanting = &mut scratch.0;
    wanting.clear();
    let all = accounts.iter().enumerate();
    wanting.extend(all.filter_map(|(position, account)| {
        let room = room(account);
        (room > 0).then(|| Wanting::new(position, account, room, account.weight(parts)))
    }));
    divide(left, wanting, |position, granted| {
        if let Some(account) = accounts.get_mut(position) {
            account.given += granted;
        }
    });
}

/// Divides what is `left` among those who want more than that together, and says what each is granted.
///
/// Whoever needs least for its weight comes first; each takes its proportional part of what is
/// left or what it needs, whichever is less. What rounding leaves goes to those who come later,
/// so `left` is spent to the last bit/s.
fn divide(left: &mut u64, wanting: &mut Vec<Wanting>, mut grant: impl FnMut(usize, u64)) {
    let mut weights: u64 = wanting.iter().map(|one| u64::from(one.weight)).sum();
    // Whoever needs no more than its part of what is left gets what it needs, in any order: the others'
    // part only grows by it. That mostly leaves few to sort, or equals.
    loop {
        let before = wanting.len();
        wanting.retain(|one| {
            let is_met = u128::from(one.room) * u128::from(weights)
                <= u128::from(*left) * u128::from(one.weight);
            if is_met {
                grant(one.position, one.room);
                *left -= one.room;
                weights -= u64::from(one.weight);
            }
            !is_met
        });
        // Each further look costs as much as it spares when it finds less than an eighth.
        if before - wanting.len() <= before / 8 {
            break;
        }
    }
    wanting.sort_unstable_by(Wanting::compare);
    for one in wanting {
        let granted = one.room.min(part(*left, one.weight.into(), weights.into()));
        grant(one.position, granted);
        *left -= granted;
        weights -= u64::from(one.weight);
    }
}

impl Wanting {
    fn new(position: usize, account: &Account, room: u64, weight: u32) -> Self {
        let scaled = match room.checked_mul(1 << 20) {
            Some(room) => room / u64::from(weight.max(1)),
            None => saturated((u128::from(room) << 20) / u128::from(weight.max(1))),
        };
        Self {
            room,
            room_per_weight: scaled,
            weight,
            number: account.number,
            position,
        }
    }

    /// `room_a / weight_a` against `room_b / weight_b`; equals keep the order of the policy.
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let crosswise = |room: u64, weight: u32| u128::from(room) * u128::from(weight);
        self.room_per_weight
            .cmp(&other.room_per_weight)
            .then_with(|| {
                crosswise(self.room, other.weight).cmp(&crosswise(other.room, self.weight))
            })
            .then(self.number.cmp(&other.number))
    }
}

/// `whole * numerator / denominator` for a fraction of at most one, rounded down.
pub(super) fn part(whole: u64, numerator: u64, denominator: u128) -> u64 {
    // Most products fit 64 bits, which divide faster.
    let quotient = match (whole.checked_mul(numerator), u64::try_from(denominator)) {
        (Some(product), Ok(denominator)) => product.checked_div(denominator),
        _ => (u128::from(whole) * u128::from(numerator))
            .checked_div(denominator)
            .map(saturated),
    };
    quotient.unwrap_or(whole)
}

fn saturated(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
