//! Which place serves which slot.
//!
//! A place is whatever serves a slot: a CPU now. Slots are moved greedily from the fullest place
//! to the emptiest, and only when the imbalance has lasted, since every move disturbs the flows of
//! its slot.
//!
//! A slot that is busier than a place's fair part keeps a place busy whatever is moved. It stays
//! where it is, everything else leaves its place, and the fair part of the others is what they
//! have to share without it.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

/// Most slots of one set that are moved at once.
pub const MAX_MOVES: usize = 64;

/// Packets/s per place below which nothing is moved: there imbalance is noise, and harmless.
const MIN_LOAD_PER_PLACE: u64 = 1_000;

/// Moving starts when a place exceeds its fair part by more than one in this many (10 %)...
const START_PARTS: u64 = 10;

/// ... at this many looks in a row...
const START_LOOKS: u32 = 3;

/// ... and goes on until no place exceeds it by more than one in this many (5 %). The gap between
/// the two keeps loads that fluctuate from starting it again.
const STOP_PARTS: u64 = 20;

/// A slot is to be served by another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The slot.
    pub slot: usize,
    /// Its new place.
    pub place: u32,
}

/// Spreads `slots` slots over the places, in turn.
pub fn round_robin(slots: usize, places: &[u32]) -> Vec<u32> {
    places.iter().copied().cycle().take(slots).collect()
}

/// The moves off places that are no longer allowed, each to the place that is least loaded by
/// then. All other slots stay.
pub fn evict(loads: &[u64], placement: &[u32], places: &[u32]) -> Vec<Move> {
    let mut state = State::new(loads, placement, places);
    let mut moves = Vec::new();
    let homeless: Vec<usize> = state
        .slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.place.is_none())
        .map(|(number, _)| number)
        .collect();
    for slot in homeless {
        let Some(emptiest) = state.emptiest() else {
            break;
        };
        state.put(slot, emptiest);
        moves.extend(state.move_to(slot, emptiest));
    }
    moves
}

/// Decides when and what to move in one set of slots, and remembers how long it has been
/// unbalanced.
#[derive(Clone, Debug, Default)]
pub struct Balancer {
    /// Looks in a row at which a place was too full.
    unbalanced_looks: u32,
    /// Moving has started and is not done.
    moving: bool,
}

impl Balancer {
    /// The moves to make now: at most [`MAX_MOVES`], none while the places are balanced or have
    /// not been unbalanced for long.
    ///
    /// `loads` are the packets/s of the slots, `placement` is where they are; `places` are the
    /// allowed ones, and all that a slot is ever moved to. Slots elsewhere are [`evict`]'s.
    pub fn moves(&mut self, loads: &[u64], placement: &[u32], places: &[u32]) -> Vec<Move> {
        let mut state = State::new(loads, placement, places);
        let least = u64::try_from(places.len()).unwrap_or(u64::MAX);
        let worth_it = state.total >= MIN_LOAD_PER_PLACE.saturating_mul(least);
        if !worth_it || !state.exceeds(START_PARTS) {
            self.unbalanced_looks = 0;
        } else {
            self.unbalanced_looks = self.unbalanced_looks.saturating_add(1);
        }
        self.moving &= worth_it;
        self.moving |= self.unbalanced_looks >= START_LOOKS;
        if !self.moving {
            return Vec::new();
        }
        let moves = state.balance();
        // Out of moves, it goes on at the next look.
        self.moving = !moves.is_empty() && state.exceeds(STOP_PARTS);
        moves
    }
}

struct Slot {
    load: u64,
    /// Position of its place in [`State::places`]; `None`: on a place that is not allowed.
    place: Option<usize>,
}

struct Place {
    id: u32,
    load: u64,
    slots: usize,
    /// Load of its busiest slot.
    hottest: u64,
    /// Nothing that is on it can be moved to any use.
    exhausted: bool,
}

/// A placement being worked on.
struct State {
    slots: Vec<Slot>,
    places: Vec<Place>,
    total: u64,
    /// What a place has to bear when slots too hot to share a place are left aside.
    fair: u64,
}

impl Place {
    /// Load beyond the fair part, or beyond the slot that is hotter than that.
    fn excess(&self, fair: u64) -> u64 {
        self.load.saturating_sub(fair.max(self.hottest))
    }
}

impl State {
    fn new(loads: &[u64], placement: &[u32], places: &[u32]) -> Self {
        let mut ids = places.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let slot = |(&load, place): (&u64, &u32)| Slot {
            load,
            place: ids.binary_search(place).ok(),
        };
        let slots: Vec<Slot> = loads.iter().zip(placement).map(slot).collect();
        let empty = |id| Place {
            id,
            load: 0,
            slots: 0,
            hottest: 0,
            exhausted: false,
        };
        let mut places: Vec<Place> = ids.iter().copied().map(empty).collect();
        for slot in &slots {
            if let Some(place) = slot.place.and_then(|place| places.get_mut(place)) {
                place.add(slot.load);
            }
        }
        let total = slots
            .iter()
            .fold(0_u64, |total, slot| total.saturating_add(slot.load));
        let fair = fair_part(&slots, places.len(), total);
        Self {
            slots,
            places,
            total,
            fair,
        }
    }

    /// Whether a place exceeds its fair part by more than one in `parts`.
    fn exceeds(&self, parts: u64) -> bool {
        self.places
            .iter()
            .any(|place| place.excess(self.fair) > self.fair / parts)
    }

    fn emptiest(&self) -> Option<usize> {
        let places = self.places.iter().enumerate();
        places
            .min_by_key(|(_, place)| (place.load, place.slots, place.id))
            .map(|(index, _)| index)
    }

    /// Moves slots until no place is too full, nothing helps or enough have been moved.
    fn balance(&mut self) -> Vec<Move> {
        let mut moves: Vec<Move> = Vec::new();
        while moves.len() < MAX_MOVES && self.exceeds(STOP_PARTS) {
            let worth = self
                .places
                .iter()
                .enumerate()
                .filter(|(_, place)| !place.exhausted);
            let fullest =
                worth.max_by_key(|(_, place)| (place.excess(self.fair), Reverse(place.id)));
            let Some((fullest, _)) = fullest else { break };
            let Some(emptiest) = self.emptiest() else {
                break;
            };
            match self.best_slot(fullest, emptiest) {
                Some(slot) => {
                    self.take(slot, fullest);
                    self.put(slot, emptiest);
                    // A slot that is moved twice counts once, with its last place.
                    moves.retain(|earlier| earlier.slot != slot);
                    moves.extend(self.move_to(slot, emptiest));
                }
                None => self.exhaust(fullest),
            }
        }
        moves
    }

    /// The slot on place `from` whose move to `to` comes closest to what the two need.
    ///
    /// A slot that would take more than three quarters of the gap with it would only swap the
    /// roles of the places, and come back with the next fluctuation.
    fn best_slot(&self, from: usize, to: usize) -> Option<usize> {
        let (fullest, emptiest) = (self.places.get(from)?, self.places.get(to)?);
        let gap = fullest.load.saturating_sub(emptiest.load);
        let room = self.fair.saturating_sub(emptiest.load);
        let wanted = fullest.excess(self.fair).min(room).max(1);
        let too_hot = if fullest.hottest > self.fair {
            fullest.hottest
        } else {
            u64::MAX
        };
        let useful = |slot: &Slot| {
            slot.place == Some(from)
                && slot.load > 0
                && slot.load <= gap - gap / 4
                && slot.load < gap
                && slot.load < too_hot
        };
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| useful(slot))
            .min_by_key(|(number, slot)| (slot.load.abs_diff(wanted), *number))
            .map(|(number, _)| number)
    }

    fn take(&mut self, slot: usize, from: usize) {
        let Some(taken) = self.slots.get_mut(slot) else {
            return;
        };
        taken.place = None;
        let load = taken.load;
        let Some(place) = self.places.get_mut(from) else {
            return;
        };
        place.load = place.load.saturating_sub(load);
        place.slots = place.slots.saturating_sub(1);
        if load == place.hottest {
            let rest = self.slots.iter().filter(|slot| slot.place == Some(from));
            place.hottest = rest.map(|slot| slot.load).max().unwrap_or(0);
        }
    }

    fn put(&mut self, slot: usize, to: usize) {
        let (Some(slot), Some(place)) = (self.slots.get_mut(slot), self.places.get_mut(to)) else {
            return;
        };
        slot.place = Some(to);
        place.add(slot.load);
    }

    fn exhaust(&mut self, place: usize) {
        if let Some(place) = self.places.get_mut(place) {
            place.exhausted = true;
        }
    }

    fn move_to(&self, slot: usize, place: usize) -> Option<Move> {
        self.places.get(place).map(|place| Move {
            slot,
            place: place.id,
        })
    }
}

impl Place {
    fn add(&mut self, load: u64) {
        self.load = self.load.saturating_add(load);
        self.slots += 1;
        self.hottest = self.hottest.max(load);
    }
}

/// The mean load of a place, not counting slots that exceed it and the place that each of them
/// takes for itself.
fn fair_part(slots: &[Slot], places: usize, total: u64) -> u64 {
    let mut places = u64::try_from(places).unwrap_or(u64::MAX);
    let mut total = total;
    let Some(mut fair) = total.checked_div(places) else {
        return 0;
    };
    if slots.iter().all(|slot| slot.load <= fair) {
        return fair;
    }
    let mut loads: Vec<u64> = slots.iter().map(|slot| slot.load).collect();
    loads.sort_unstable_by_key(|&load| Reverse(load));
    for load in loads {
        if load <= fair || places <= 1 {
            break;
        }
        total = total.saturating_sub(load);
        places -= 1;
        fair = total / places;
    }
    fair
}
