//! All estimates, kept from one observation to the next.

use super::cells::ClassEstimate;
use super::slots::SlotLoads;
use super::smoothing::growth;
use crate::observe::{CellCounters, Observation};
use crate::units::Nanoseconds;

/// Turns successive observations into estimates.
#[derive(Clone, Debug)]
pub struct Estimator {
    /// When the last observation was made.
    last: Option<Nanoseconds>,
    /// `estimates[interface][class]`.
    estimates: Vec<Vec<ClassEstimate>>,
    /// `previous[interface][class]`: the counters at the last observation, where known.
    previous: Vec<Vec<Option<CellCounters>>>,
    /// What has arrived since the last observation, by interface.
    arrivals: Vec<Arrivals>,
    /// How long ago that was.
    span: Nanoseconds,
    /// By CPU set.
    slots: Vec<SlotLoads>,
}

/// What has arrived in the classes of an interface, dropped or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Frames.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Where the things of a new policy stood in the old one: entry `n` is the old position of what
/// is now at position `n`, `None` for what is new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Interfaces.
    pub interfaces: Vec<Option<usize>>,
    /// Classes.
    pub classes: Vec<Option<usize>>,
    /// CPU sets.
    pub cpu_sets: Vec<Option<usize>>,
}

impl Estimator {
    /// Knows nothing yet; each CPU set has `slots` slots.
    pub fn new(interfaces: usize, classes: usize, cpu_sets: usize, slots: usize) -> Self {
        Self {
            last: None,
            estimates: vec![vec![ClassEstimate::default(); classes]; interfaces],
            previous: vec![vec![None; classes]; interfaces],
            arrivals: vec![Arrivals::default(); interfaces],
            span: Nanoseconds(0),
            slots: vec![SlotLoads::idle(slots); cpu_sets],
        }
    }

    /// The estimator for a new policy: what has an origin keeps its estimates.
    ///
    /// What has changed its position starts with a fresh look at its counters, since those may be
    /// others than before.
    #[must_use]
    pub fn rearranged(&self, origins: &Origins, slots: usize) -> Self {
        let mut next = Self::new(
            origins.interfaces.len(),
            origins.classes.len(),
            origins.cpu_sets.len(),
            slots,
        );
        next.last = self.last;
        let rows = next
            .estimates
            .iter_mut()
            .zip(&mut next.previous)
            .zip(&origins.interfaces);
        for (interface, ((estimates, previous), &interface_origin)) in rows.enumerate() {
            let cells = estimates.iter_mut().zip(previous).zip(&origins.classes);
            for (class, ((estimate, previous), &class_origin)) in cells.enumerate() {
                let (Some(old_interface), Some(old_class)) = (interface_origin, class_origin)
                else {
                    continue;
                };
                *estimate = at(&self.estimates, old_interface, old_class).unwrap_or_default();
                if (old_interface, old_class) == (interface, class) {
                    *previous = at(&self.previous, interface, class).flatten();
                }
            }
        }
        for (loads, origin) in next.slots.iter_mut().zip(&origins.cpu_sets) {
            let Some(old) = origin.and_then(|old| self.slots.get(old)).cloned() else {
                continue;
            };
            // The origin may be another CPU set, whose counters say nothing about this one's.
            *loads = old.without_baseline();
        }
        next
    }

    /// Takes in an observation; says whether time has passed since the last one, so that the
    /// estimates are about something.
    ///
    /// A second observation of the same moment is ignored: the next span starts at the first.
    /// After a first observation, or one that is older than the last, there is only something to
    /// compare the next with.
    pub fn observe(&mut self, observation: &Observation) -> bool {
        let span = match self.last {
            Some(last) if last == observation.now => return false,
            Some(last) if last < observation.now => Some(observation.now.since(last)),
            Some(_) | None => None,
        };
        self.last = Some(observation.now);
        self.span = span.unwrap_or_default();

        let mut observed = observation.cells.iter();
        let rows = self.estimates.iter_mut().zip(&mut self.previous);
        for ((estimates, previous), arrivals) in rows.zip(&mut self.arrivals) {
            *arrivals = Arrivals::default();
            let mut observed = observed.next().map_or(&[][..], Vec::as_slice).iter();
            for (estimate, previous) in estimates.iter_mut().zip(previous) {
                let current = observed.next().copied();
                if let (Some(previous), Some(current), Some(span)) = (&previous, &current, span) {
                    *estimate = estimate.after(previous, current, span);
                    arrivals.add(previous, current);
                }
                *previous = current;
            }
        }
        let mut observed = observation.slot_packets.iter();
        for slots in &mut self.slots {
            slots.observe(observed.next(), span);
        }
        span.is_some()
    }

    /// What the classes do, `[interface][class]`.
    pub fn classes(&self) -> &[Vec<ClassEstimate>] {
        &self.estimates
    }

    /// What has arrived since the last observation, by interface.
    pub fn arrivals(&self) -> &[Arrivals] {
        &self.arrivals
    }

    /// How long before the last observation the one before it was made.
    pub fn span(&self) -> Nanoseconds {
        self.span
    }

    /// Packets/s of each slot of a CPU set, smoothed.
    pub fn slot_loads(&self, cpu_set: usize) -> &[u64] {
        self.slots.get(cpu_set).map_or(&[], SlotLoads::loads)
    }
}

impl Arrivals {
    fn add(&mut self, previous: &CellCounters, current: &CellCounters) {
        let grown = |previous, current| growth(previous, current).unwrap_or(0);
        let packets = grown(previous.passed_packets, current.passed_packets)
            .saturating_add(grown(previous.dropped_packets, current.dropped_packets));
        let bytes = grown(previous.passed_bytes, current.passed_bytes)
            .saturating_add(grown(previous.dropped_bytes, current.dropped_bytes));
        self.packets = self.packets.saturating_add(packets);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

fn at<T: Copy>(table: &[Vec<T>], interface: usize, class: usize) -> Option<T> {
    table.get(interface).and_then(|row| row.get(class)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::BitsPerSecond;

    fn observation(millis: u64, passed_bytes: &[u64]) -> Observation {
        let cell = |&passed_bytes| CellCounters {
            passed_bytes,
            ..CellCounters::default()
        };
        Observation {
            now: Nanoseconds::from_millis(millis),
            cells: vec![passed_bytes.iter().map(cell).collect()],
            ..Observation::default()
        }
    }

    fn offered(estimator: &Estimator, class: usize) -> u64 {
        estimator.classes()[0][class].offered.0
    }

    #[test]
    fn the_first_observation_is_only_something_to_compare_with() {
        let mut estimator = Estimator::new(1, 1, 0, 0);
        assert!(!estimator.observe(&observation(5_000, &[1_000_000_000])));
        assert_eq!(offered(&estimator, 0), 0);
        assert!(estimator.observe(&observation(6_000, &[1_000_000_125])));
        assert_eq!(offered(&estimator, 0), 1_000);
        assert_eq!(estimator.arrivals()[0].bytes, 125);
    }

    #[test]
    fn a_second_look_at_the_same_moment_loses_no_bytes() {
        let mut estimator = Estimator::new(1, 1, 0, 0);
        estimator.observe(&observation(0, &[0]));
        assert!(!estimator.observe(&observation(0, &[125])));
        estimator.observe(&observation(1_000, &[125]));
        assert_eq!(offered(&estimator, 0), 1_000);
    }

    #[test]
    fn a_clock_that_ran_backwards_starts_a_new_span() {
        let mut estimator = Estimator::new(1, 1, 0, 0);
        estimator.observe(&observation(9_000, &[0]));
        assert!(!estimator.observe(&observation(1_000, &[500])));
        assert!(estimator.observe(&observation(2_000, &[625])));
        assert_eq!(offered(&estimator, 0), 1_000);
    }

    #[test]
    fn an_observation_of_the_wrong_shape_is_taken_as_far_as_it_goes() {
        let mut estimator = Estimator::new(2, 2, 1, 4);
        assert!(!estimator.observe(&observation(0, &[0])));
        assert!(estimator.observe(&observation(1_000, &[125, 999, 999])));
        assert_eq!(offered(&estimator, 0), 1_000);
        assert_eq!(offered(&estimator, 1), 0);
    }

    #[test]
    fn a_class_that_moved_keeps_its_estimate_and_is_looked_at_afresh() {
        let mut estimator = Estimator::new(1, 2, 0, 0);
        estimator.observe(&observation(0, &[0, 0]));
        estimator.observe(&observation(1_000, &[125, 250]));

        let origins = Origins {
            interfaces: vec![Some(0)],
            classes: vec![None, Some(1), Some(0)],
            cpu_sets: vec![],
        };
        let mut estimator = estimator.rearranged(&origins, 0);
        let demands = |estimator: &Estimator| {
            estimator.classes()[0]
                .iter()
                .map(|class| class.demand)
                .collect::<Vec<_>>()
        };
        let kept = [BitsPerSecond(0), BitsPerSecond(2_000), BitsPerSecond(1_000)];
        assert_eq!(demands(&estimator), kept);

        // Class 1 stayed in place; the others' counters may be anything.
        assert!(estimator.observe(&observation(2_000, &[7_000_000, 625, 9_000_000])));
        let now = [BitsPerSecond(0), BitsPerSecond(3_000), BitsPerSecond(1_000)];
        assert_eq!(demands(&estimator), now);
    }
}
