//! The capacity of a link whose rate is not known: `capacity_{k+1} = update(capacity_k, Δt)`.
//!
//! A queue before the bottleneck, or frames that the device has no room for, say that the capacity is above
//! what the link carries; then it falls at once, to a part of what *arrived*, which is what the link does
//! carry. A link that is busy without a queue may carry more: the capacity climbs, slowly near the rate at
//! which there was a queue last, faster elsewhere. While little arrives it drifts back to where it
//! started. Constants: `docs/decisions/0013-adaptive-capacity.md`.

#[cfg(test)]
mod tests;

use crate::estimate::LinkEstimate;
use crate::policy::{Adaptive, Interface};
use crate::units::{BitsPerSecond, Nanoseconds};

/// A queue is to be gone in about this time, if nothing more than the new capacity arrives.
const DRAIN: Nanoseconds = Nanoseconds::from_millis(500);
/// The least and the most that is left of what arrived, in thousandths.
const LEAST_LEFT: u64 = 750;
const MOST_LEFT: u64 = 970;
/// What is left where frames are missed, whose queue nobody knows.
const LEFT_WHEN_MISSED: u64 = 900;

/// After a fall, senders need so long to follow, and the answers to show it; the queue that they are in comes
/// on top.
const REFRACTORY: Nanoseconds = Nanoseconds::from_millis(500);
/// How long it is looked for a queue that was there from the first answer on: senders that are behind it follow
/// later than others.
const LOOK: Nanoseconds = Nanoseconds::from_millis(2_000);
/// A queue that has come down by one part in this many since is on its way out.
const DRAINING_PARTS: u64 = 8;

/// A link is busy from this percentage of its capacity on.
const BUSY_PERCENT: u64 = 85;
/// It has little to do up to this percentage.
const IDLE_PERCENT: u64 = 50;
/// Up to this percentage of the lowest capacity is not what fills a queue.
const LIGHT_PERCENT: u64 = 50;

/// Steps in thousandths a second: far from the rate at which there was a queue last, near it, and back to
/// the start.
const CLIMB: u64 = 100;
const CREEP: u64 = 5;
const DRIFT: u64 = 20;
/// Near it is from this percentage of it on, up to the other.
const NEAR_FROM_PERCENT: u64 = 98;
const NEAR_TO_PERCENT: u64 = 102;
/// For how long that rate is remembered.
const REMEMBERED: Nanoseconds = Nanoseconds::from_millis(60_000);
/// The longest step in thousandths, however long the interval.
const LONGEST_STEP: u64 = 100;

/// A change by less than one part in this many is not put into force yet.
const IGNORED_PARTS: u64 = 200;

/// What the capacity does, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It stands where it started.
    Start,
    /// It falls: packets queue up before the bottleneck.
    Bufferbloat,
    /// It falls: the device has no room for all frames.
    MissedFrames,
    /// It falls once, and returns if nothing comes of it: the first answers came under load, and a queue may
    /// be in them.
    Looking,
    /// It rises: the link is busy without a queue.
    Busy,
    /// It drifts back to the start: little arrives.
    Idle,
    /// It holds: what the last fall does is still to be seen, or how short the path is.
    Waiting,
    /// It holds: nothing calls for another.
    Steady,
    /// It holds: nobody answers echo requests.
    NoAnswer,
}

impl Reason {
    /// How it is called in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Bufferbloat => "bufferbloat",
            Self::MissedFrames => "missed-frames",
            Self::Looking => "looking",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Steady => "steady",
            Self::NoAnswer => "no-answer",
        }
    }
}

/// The last change that was put into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Nanoseconds,
    /// The capacity before.
    pub from: BitsPerSecond,
    /// Why.
    pub reason: Reason,
}

/// The capacity of one link, and what it has been through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adaptation {
    /// In force.
    capacity: BitsPerSecond,
    /// The same in smaller steps.
    exact: BitsPerSecond,
    reason: Reason,
    last_change: Option<Change>,
    /// A queue that is being drained, or has been drained last.
    fall: Option<Fall>,
    /// What arrived when there was a queue last, and when that was.
    knee: Option<(BitsPerSecond, Nanoseconds)>,
    /// Whether it has been looked for a queue that was there from the first answer on.
    has_looked: bool,
    /// While it looks: until when, and the capacity before.
    look: Option<(Nanoseconds, BitsPerSecond)>,
}

/// One fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fall {
    /// When the queue was looked at.
    looked: Nanoseconds,
    /// Its delay then.
    delay: Nanoseconds,
    /// Whether it has been there ever since.
    is_open: bool,
}

/// Between what an interface's capacity moves, and from where.
struct Terms<'a> {
    start: BitsPerSecond,
    adaptive: &'a Adaptive,
}

impl Adaptation {
    /// Starts with the capacity that the policy says.
    pub fn new(interface: &Interface) -> Self {
        Self {
            capacity: interface.capacity,
            exact: interface.capacity,
            reason: Reason::Start,
            last_change: None,
            fall: None,
            knee: None,
            has_looked: false,
            look: None,
        }
    }

    /// The same under new bounds.
    #[must_use]
    pub fn within(self, adaptive: &Adaptive) -> Self {
        Self {
            capacity: bounded(self.capacity, adaptive),
            exact: bounded(self.exact, adaptive),
            ..self
        }
    }

    /// The capacity in force.
    pub fn capacity(&self) -> BitsPerSecond {
        self.capacity
    }

    /// What it did in the last interval, and why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The last change; `None`: it is the one that it started with.
    pub fn last_change(&self) -> Option<Change> {
        self.last_change
    }

    /// What follows in the interval of length `span` that ends `now`, in which the link did this. The result
    /// lies within the bounds of `adaptive`, which is the interface's.
    #[must_use]
    pub fn after(
        self,
        link: &LinkEstimate,
        interface: &Interface,
        adaptive: &Adaptive,
        (now, span): (Nanoseconds, Nanoseconds),
    ) -> Self {
        let terms = Terms {
            start: bounded(interface.capacity, adaptive),
            adaptive,
        };
        let mut next = self;
        if next.knee.is_some_and(|(_, at)| now.since(at) > REMEMBERED) {
            next.knee = None;
        }
        next.reason = match congestion(link, adaptive) {
            Some(reason) => next.answer(reason, link, now),
            None if link.is_probed && link.queue_delay.is_none() => Reason::NoAnswer,
            None if link.is_probed && !self.has_looked => next.look(link, adaptive, now),
            None => next.move_on(link, &terms, (now, span)),
        };
        next.exact = bounded(next.exact, adaptive);
        next.put_into_force(now, &terms);
        next
    }

    /// Falls, unless it has fallen for this queue already.
    fn answer(&mut self, reason: Reason, link: &LinkEstimate, now: Nanoseconds) -> Reason {
        self.has_looked = true;
        self.look = None;
        let delay = link.queue_delay.unwrap_or_default();
        if let Some(fall) = &mut self.fall {
            // What leaves a sender now comes here behind the queue.
            let wait = REFRACTORY.0.saturating_add(fall.delay.0);
            if now.since(fall.looked).0 < wait {
                return Reason::Waiting;
            }
            if fall.is_open && delay.0 <= fall.delay.0 - fall.delay.0.div_ceil(DRAINING_PARTS) {
                *fall = Fall {
                    looked: now,
                    delay,
                    is_open: true,
                };
                return Reason::Waiting;
            }
        }
        let left = if reason == Reason::MissedFrames {
            LEFT_WHEN_MISSED
        } else {
            left_after(delay)
        };
        self.exact = self.exact.min(thousandths(link.arrived, left));
        self.knee = Some((link.arrived, now));
        self.fall = Some(Fall {
            looked: now,
            delay,
            is_open: true,
        });
        reason
    }

    /// Makes a queue show itself that is taken for the path, since nobody has seen the path without it.
    fn look(&mut self, link: &LinkEstimate, adaptive: &Adaptive, now: Nanoseconds) -> Reason {
        self.has_looked = true;
        let lower = thousandths(link.arrived, LEAST_LEFT);
        // The link carries the lowest capacity without a queue.
        if link.arrived <= adaptive.min || lower >= self.exact {
            return Reason::Steady;
        }
        let until = Nanoseconds(now.0.saturating_add(LOOK.0));
        self.look = Some((until, self.exact));
        self.exact = lower;
        Reason::Looking
    }

    /// What the look has brought; `None`: it is over, and there was a queue.
    fn look_on(
        &mut self,
        (until, before): (Nanoseconds, BitsPerSecond),
        link: &LinkEstimate,
        now: Nanoseconds,
    ) -> Option<Reason> {
        if !link.is_baseline_falling && now < until {
            return Some(Reason::Waiting);
        }
        self.look = None;
        if link.is_baseline_falling {
            return None;
        }
        self.exact = self.exact.max(before);
        Some(Reason::Looking)
    }

    /// Rises, drifts or holds, where there is no congestion.
    fn move_on(
        &mut self,
        link: &LinkEstimate,
        terms: &Terms<'_>,
        (now, span): (Nanoseconds, Nanoseconds),
    ) -> Reason {
        if let Some(fall) = &mut self.fall {
            fall.is_open = false;
            if now.since(fall.looked) < REFRACTORY {
                return Reason::Waiting;
            }
        }
        if let Some(look) = self.look
            && let Some(reason) = self.look_on(look, link, now)
        {
            return reason;
        }
        if link.is_baseline_falling {
            return Reason::Waiting;
        }
        let delay = link.queue_delay.unwrap_or_default();
        let is_clean = delay.0 <= terms.adaptive.delay_target.0 / 2;
        if link.arrived >= self.exact.percent(BUSY_PERCENT) {
            if !is_clean || self.exact >= terms.adaptive.max {
                return Reason::Steady;
            }
            self.exact = self.raised(span);
            return Reason::Busy;
        }
        if link.arrived <= self.exact.percent(IDLE_PERCENT) && self.exact != terms.start {
            let step = step(self.exact, DRIFT, span);
            self.exact = if self.exact > terms.start {
                terms.start.max(self.exact.saturating_sub(step))
            } else {
                terms.start.min(self.exact + step)
            };
            return Reason::Idle;
        }
        Reason::Steady
    }

    /// One step up.
    fn raised(&mut self, span: Nanoseconds) -> BitsPerSecond {
        let Some((knee, _)) = self.knee else {
            return self.exact + step(self.exact, CLIMB, span);
        };
        let near = knee.percent(NEAR_FROM_PERCENT);
        if self.exact < near {
            return (self.exact + step(self.exact, CLIMB, span)).min(near);
        }
        if self.exact > knee.percent(NEAR_TO_PERCENT) {
            // The link carries more than it did.
            self.knee = None;
        }
        self.exact + step(self.exact, CREEP, span)
    }

    fn put_into_force(&mut self, now: Nanoseconds, terms: &Terms<'_>) {
        let change = self.exact.0.abs_diff(self.capacity.0);
        let ends = [terms.adaptive.min, terms.start, terms.adaptive.max];
        let is_ignored = change < self.capacity.0.div_ceil(IGNORED_PARTS);
        if change == 0 || (is_ignored && !ends.contains(&self.exact)) {
            return;
        }
        self.last_change = Some(Change {
            at: now,
            from: self.capacity,
            reason: self.reason,
        });
        self.capacity = self.exact;
    }
}

/// What says that the link carries less than its capacity.
fn congestion(link: &LinkEstimate, adaptive: &Adaptive) -> Option<Reason> {
    if link.arrived <= adaptive.min.percent(LIGHT_PERCENT) {
        return None;
    }
    let is_late = link
        .queue_delay
        .is_some_and(|delay| delay > adaptive.delay_target);
    if is_late {
        Some(Reason::Bufferbloat)
    } else if link.misses_frames {
        Some(Reason::MissedFrames)
    } else {
        None
    }
}

/// What is left of what arrived, in thousandths, so that a queue is gone in time.
fn left_after(delay: Nanoseconds) -> u64 {
    let taken = u128::from(delay.0) * 1_000 / u128::from(DRAIN.0);
    let taken = u64::try_from(taken).unwrap_or(u64::MAX);
    1_000_u64.saturating_sub(taken).clamp(LEAST_LEFT, MOST_LEFT)
}

fn bounded(capacity: BitsPerSecond, adaptive: &Adaptive) -> BitsPerSecond {
    capacity.min(adaptive.max).max(adaptive.min)
}

fn thousandths(rate: BitsPerSecond, thousandths: u64) -> BitsPerSecond {
    let scaled = u128::from(rate.0) * u128::from(thousandths) / 1_000;
    BitsPerSecond(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// How far a rate moves in `span` at so many thousandths a second; never not at all.
fn step(rate: BitsPerSecond, per_second: u64, span: Nanoseconds) -> BitsPerSecond {
    let second_thousandths = 1_000_000_000_u128 * 1_000;
    let moved = u128::from(rate.0) * u128::from(per_second);
    let moved = moved.saturating_mul(u128::from(span.0)) / second_thousandths;
    let moved = u64::try_from(moved).unwrap_or(u64::MAX);
    BitsPerSecond(moved.min(thousandths(rate, LONGEST_STEP).0).max(1))
}
