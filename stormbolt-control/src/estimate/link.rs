//! What the link of an interface does, where its rate is not known.

use std::collections::VecDeque;

use super::echoes::Echoes;
use super::estimator::Arrivals;
use super::smoothing::growth;
use crate::observe::LinkSignals;
use crate::policy::{Adaptive, Interface};
use crate::units::{BitsPerSecond, Nanoseconds};

/// Arrivals count over this long: TCP sends in bursts, and a busy machine counts some of them late.
const WINDOW: Nanoseconds = Nanoseconds::from_millis(300);

/// Looks that are kept: those of a window at the shortest interval.
const MAX_LOOKS: usize = 32;

/// Frames missed by the device mean something from this many in a window on, if they are more than one in
/// [`MISSED_ONE_IN`].
const MISSED_FRAMES: u64 = 8;
const MISSED_ONE_IN: u64 = 1_000;

/// What a link does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkEstimate {
    /// What arrives in the classes, dropped or not, the interface's overhead included. While there is a queue
    /// before the bottleneck, this is the bottleneck's rate.
    pub arrived: BitsPerSecond,
    /// Whether anybody is asked for the delay.
    pub is_probed: bool,
    /// Delay by the queue; `None`: nobody answers.
    pub queue_delay: Option<Nanoseconds>,
    /// Whether answers are quicker than ever: a queue is on its way out that was there from the beginning.
    pub is_baseline_falling: bool,
    /// Whether the device itself loses frames for want of room.
    pub misses_frames: bool,
}

/// Makes [`LinkEstimate`]s of successive observations.
#[derive(Clone, Debug)]
pub struct LinkEstimator {
    overhead: i8,
    /// What the link carries in any case.
    least: BitsPerSecond,
    echoes: Echoes,
    missed_frames: Option<u64>,
    /// The last looks, the newest last, together at least as long as the window.
    looks: VecDeque<Look>,
}

/// What came between two observations.
#[derive(Clone, Copy, Debug)]
struct Look {
    span: Nanoseconds,
    bytes: u64,
    packets: u64,
    missed: u64,
}

impl LinkEstimator {
    /// Knows nothing yet of the link of `interface`.
    pub fn new(interface: &Interface, adaptive: &Adaptive) -> Self {
        Self {
            overhead: interface.overhead,
            least: adaptive.min,
            echoes: Echoes::of(&adaptive.probes),
            missed_frames: None,
            looks: VecDeque::new(),
        }
    }

    /// The estimator for the same interface under another policy.
    #[must_use]
    pub fn rearranged(&self, interface: &Interface, adaptive: &Adaptive) -> Self {
        Self {
            overhead: interface.overhead,
            least: adaptive.min,
            echoes: self.echoes.rearranged(&adaptive.probes),
            ..self.clone()
        }
    }

    /// Takes in what came in the `span` before `now`.
    pub fn observe(
        &mut self,
        (now, span): (Nanoseconds, Nanoseconds),
        arrivals: Arrivals,
        signals: &LinkSignals,
    ) -> LinkEstimate {
        let missed = self.missed_frames.zip(signals.missed_frames);
        let missed = missed.and_then(|(previous, current)| growth(previous, current));
        self.missed_frames = signals.missed_frames.or(self.missed_frames);
        self.remember(Look {
            span,
            bytes: self.on_the_link(arrivals),
            packets: arrivals.packets,
            missed: missed.unwrap_or(0),
        });
        let arrived = self.arrived();
        self.echoes
            .observe(now, &signals.echoes, arrived <= self.least);
        LinkEstimate {
            arrived,
            is_probed: self.echoes.is_probed(),
            queue_delay: self.echoes.queue_delay(),
            is_baseline_falling: self.echoes.is_baseline_falling(),
            misses_frames: self.misses_frames(),
        }
    }

    /// The answers to echo requests.
    pub fn echoes(&self) -> &Echoes {
        &self.echoes
    }

    fn on_the_link(&self, arrivals: Arrivals) -> u64 {
        let overhead = i128::from(self.overhead) * i128::from(arrivals.packets);
        let bytes = i128::from(arrivals.bytes) + overhead;
        u64::try_from(bytes.max(0)).unwrap_or(u64::MAX)
    }

    /// Forgets looks that the window does without.
    fn remember(&mut self, look: Look) {
        self.looks.push_back(look);
        let mut span: u64 = self.total(|look| look.span.0);
        while let Some(oldest) = self.looks.front()
            && (span - oldest.span.0 >= WINDOW.0 || self.looks.len() > MAX_LOOKS)
        {
            span -= oldest.span.0;
            self.looks.pop_front();
        }
    }

    fn total(&self, of: impl Fn(&Look) -> u64) -> u64 {
        self.looks.iter().map(of).fold(0, u64::saturating_add)
    }

    fn arrived(&self) -> BitsPerSecond {
        let span = Nanoseconds(self.total(|look| look.span.0));
        BitsPerSecond::from_bytes_over(self.total(|look| look.bytes), span)
    }

    fn misses_frames(&self) -> bool {
        let missed = self.total(|look| look.missed);
        let packets = self.total(|look| look.packets);
        missed >= MISSED_FRAMES && missed > packets / MISSED_ONE_IN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::AttachMode;

    fn estimator(overhead: i8) -> LinkEstimator {
        let adaptive = Adaptive {
            min: BitsPerSecond(1_000_000),
            max: BitsPerSecond(100_000_000),
            probes: Vec::new(),
            probe_interval: Nanoseconds::from_millis(100),
            delay_target: Nanoseconds::from_millis(15),
        };
        let interface = Interface {
            name: "eth0".to_owned(),
            capacity: BitsPerSecond(10_000_000),
            mode: AttachMode::Auto,
            overhead,
            adaptive: Some(adaptive.clone()),
            then: None,
        };
        LinkEstimator::new(&interface, &adaptive)
    }

    /// Arrivals of ten packets with so many bytes together in each interval of 100 ms.
    fn arrive(
        estimator: &mut LinkEstimator,
        bytes: &[u64],
        missed: &[Option<u64>],
    ) -> LinkEstimate {
        let mut estimate = LinkEstimate::default();
        let missed = missed.iter().copied().chain(std::iter::repeat(None));
        for (&bytes, missed_frames) in bytes.iter().zip(missed) {
            let span = Nanoseconds::from_millis(100);
            let signals = LinkSignals {
                missed_frames,
                ..LinkSignals::default()
            };
            let arrivals = Arrivals { packets: 10, bytes };
            estimate = estimator.observe((span, span), arrivals, &signals);
        }
        estimate
    }

    #[test]
    fn arrivals_count_over_a_window() {
        let mut estimator = estimator(0);
        let estimate = arrive(&mut estimator, &[9_000_000, 12_500, 0, 25_000], &[]);
        assert_eq!(estimate.arrived, BitsPerSecond(1_000_000));
        assert!(!estimate.is_probed && estimate.queue_delay.is_none());
    }

    #[test]
    fn a_longer_interval_is_a_window_by_itself() {
        let mut estimator = estimator(0);
        arrive(&mut estimator, &[9_000_000], &[]);
        let span = Nanoseconds::from_millis(1_000);
        let arrivals = Arrivals {
            packets: 1,
            bytes: 125,
        };
        let estimate = estimator.observe((span, span), arrivals, &LinkSignals::default());
        assert_eq!(estimate.arrived, BitsPerSecond(1_000));
    }

    #[test]
    fn packets_are_as_long_as_they_are_on_the_link() {
        let estimate = arrive(&mut estimator(24), &[1_010], &[]);
        assert_eq!(estimate.arrived, BitsPerSecond((1_010 + 240) * 80));
        let estimate = arrive(&mut estimator(-64), &[600], &[]);
        assert_eq!(estimate.arrived, BitsPerSecond::ZERO);
    }

    #[test]
    fn a_device_that_loses_frames_says_so_and_a_few_do_not_count() {
        let missed = |counters: &[Option<u64>]| {
            let bytes = vec![1_000; counters.len()];
            arrive(&mut estimator(0), &bytes, counters).misses_frames
        };
        assert!(!missed(&[Some(1_000_000)]));
        assert!(!missed(&[Some(100), Some(103)]));
        assert!(missed(&[Some(100), Some(103), Some(109)]));
        assert!(!missed(&[
            Some(100),
            Some(200),
            Some(200),
            Some(200),
            Some(200)
        ]));
        assert!(!missed(&[Some(100), None, Some(90)]));
    }
}
