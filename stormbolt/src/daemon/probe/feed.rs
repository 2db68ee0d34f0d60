//! What the prober has found out, on its way to the controller.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stormbolt_control::observe::{Echo, LinkSignals};
use stormbolt_control::units::Nanoseconds;

/// Answers that are kept for the next tick; the newest stay.
const MAX_ECHOES: usize = 512;

/// One interface's part, shared by the threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Feed(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    echoes: VecDeque<Echo>,
    missed_frames: Option<u64>,
    /// By probe; the last one is about the device's counters.
    faults: Vec<Option<String>>,
}

impl Feed {
    /// With so many probes.
    pub(super) fn new(probes: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            faults: vec![None; probes + 1],
            ..State::default()
        })))
    }

    /// What has come of a request.
    pub(super) fn echo(&self, probe: usize, round_trip: Option<Nanoseconds>) {
        let mut state = self.state();
        if state.echoes.len() >= MAX_ECHOES {
            state.echoes.pop_front();
        }
        state.echoes.push_back(Echo { probe, round_trip });
    }

    /// How many frames the device has missed.
    pub(super) fn missed_frames(&self, count: Option<u64>) {
        self.state().missed_frames = count;
    }

    /// What is wrong with a probe, or nothing any more; behind the probes, with the counters.
    pub(super) fn fault(&self, probe: usize, fault: Option<String>) {
        if let Some(place) = self.state().faults.get_mut(probe) {
            *place = fault;
        }
    }

    /// Everything since the last call.
    pub(super) fn take(&self) -> LinkSignals {
        let mut state = self.state();
        LinkSignals {
            missed_frames: state.missed_frames,
            echoes: std::mem::take(&mut state.echoes).into(),
        }
    }

    /// What is wrong.
    pub(super) fn faults(&self) -> Vec<String> {
        self.state().faults.iter().flatten().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one step, so what a thread that panicked has left is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_handed_over_once_and_the_newest_are_kept() {
        let feed = Feed::new(1);
        for number in 0..2_000 {
            feed.echo(0, Some(Nanoseconds(number)));
        }
        feed.missed_frames(Some(9));
        let taken = feed.take();
        assert_eq!(taken.missed_frames, Some(9));
        assert_eq!(taken.echoes.len(), MAX_ECHOES);
        assert_eq!(
            taken.echoes.last().unwrap().round_trip,
            Some(Nanoseconds(1_999))
        );
        assert_eq!(feed.take().echoes, []);
    }

    #[test]
    fn a_fault_stands_until_it_is_over() {
        let feed = Feed::new(1);
        feed.fault(0, Some("a".to_owned()));
        feed.fault(1, Some("b".to_owned()));
        feed.fault(7, Some("c".to_owned()));
        assert_eq!(feed.faults(), ["a", "b"]);
        feed.fault(0, None);
        assert_eq!(feed.faults(), ["b"]);
    }
}
