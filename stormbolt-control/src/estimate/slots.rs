//! The load of each slot.

use super::smoothing::{approach, growth};
use crate::units::Nanoseconds;

/// How fast the load of a slot follows its packets: slowly enough that a burst moves no slot.
const LOAD_DECAY: Nanoseconds = Nanoseconds::from_millis(500);

/// How busy the slots of one CPU set are.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotLoads {
    /// Packets/s of each slot, smoothed.
    loads: Vec<u64>,
    /// The counters at the last look, when there was one.
    previous: Option<Vec<u64>>,
}

impl SlotLoads {
    /// `slots` idle slots that nobody has looked at.
    pub(super) fn idle(slots: usize) -> Self {
        Self {
            loads: vec![0; slots],
            previous: None,
        }
    }

    /// The same loads with the last look forgotten, for when the counters are other ones now.
    #[must_use]
    pub(super) fn without_baseline(mut self) -> Self {
        self.previous = None;
        self
    }

    /// Packets/s of each slot.
    pub(super) fn loads(&self) -> &[u64] {
        &self.loads
    }

    /// Takes in the counters of all slots; without a span they are only remembered.
    pub(super) fn observe(&mut self, packets: Option<&Vec<u64>>, span: Option<Nanoseconds>) {
        let previous = self.previous.take();
        let Some(packets) = packets else { return };
        if let (Some(mut previous), Some(span)) = (previous, span) {
            let slots = self.loads.iter_mut().zip(previous.iter().zip(packets));
            for (load, (&previous, &current)) in slots {
                *load = next_load(*load, previous, current, span);
            }
            // Reuses the allocation: this runs every interval.
            previous.clone_from(packets);
            self.previous = Some(previous);
        } else {
            self.previous = Some(packets.clone());
        }
    }
}

fn next_load(load: u64, previous: u64, current: u64, span: Nanoseconds) -> u64 {
    // Most slots of most sets are idle.
    if load == 0 && previous == current {
        return 0;
    }
    let Some(packets) = growth(previous, current) else {
        return load;
    };
    let per_second = u128::from(packets) * 1_000_000_000 / u128::from(span.0.max(1));
    approach(
        load,
        u64::try_from(per_second).unwrap_or(u64::MAX),
        span,
        LOAD_DECAY,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Option<Nanoseconds> = Some(Nanoseconds::from_millis(100));

    #[test]
    fn loads_approach_packets_per_second() {
        let mut slots = SlotLoads::idle(2);
        for step in 0..100 {
            slots.observe(Some(&vec![step * 50, 3]), SPAN);
        }
        let load = slots.loads()[0];
        assert!((490..=500).contains(&load), "{load}");
        assert_eq!(slots.loads()[1], 0);
    }

    #[test]
    fn a_restart_of_the_counters_keeps_the_loads() {
        let mut slots = SlotLoads::idle(1);
        slots.observe(Some(&vec![0]), SPAN);
        slots.observe(Some(&vec![1_000]), SPAN);
        let before = slots.loads().to_vec();
        slots.observe(Some(&vec![4]), SPAN);
        assert_eq!(slots.loads(), before);
        assert!(before[0] > 0);
    }

    #[test]
    fn a_look_that_was_missed_is_not_counted_into_the_next_span() {
        let mut slots = SlotLoads::idle(1);
        slots.observe(Some(&vec![0]), SPAN);
        slots.observe(None, SPAN);
        slots.observe(Some(&vec![1_000_000]), SPAN);
        assert_eq!(slots.loads(), [0]);
    }
}
