//! How long packets wait in the queue before the bottleneck, from the answers to echo requests.
//!
//! A round trip is the path's own time, which hardly changes, and the time in queues. Each address has a
//! *baseline*: the least that an answer has taken of late. What answers take beyond it is queue delay. Of the
//! last few answers the quickest counts, since a queue that lasts delays all of them, and chance delays one.

use std::net::IpAddr;

use super::smoothing::approach;
use crate::observe::Echo;
use crate::units::Nanoseconds;

/// Answers of which the quickest counts.
const ANSWERS: usize = 3;

/// An address that has not answered for this long says nothing about the present.
const SILENT_AFTER: Nanoseconds = Nanoseconds::from_millis(2_000);

/// How fast a baseline rises while a queue may be what delays the answers.
const RISE: Nanoseconds = Nanoseconds::from_millis(300_000);

/// How fast it rises while too little arrives for a queue: then the path itself has become longer.
const RISE_UNLOADED: Nanoseconds = Nanoseconds::from_millis(5_000);

/// A baseline that falls by more than this has been too high; by less it is chance.
const FALL: Nanoseconds = Nanoseconds::from_millis(5);

/// For how long after such a fall another is to be expected.
const FALLING_FOR: Nanoseconds = Nanoseconds::from_millis(1_000);

/// What is known from the answers of the probed addresses.
#[derive(Clone, Debug, Default)]
pub struct Echoes {
    reflectors: Vec<Reflector>,
    /// When it was looked at first, and last.
    span: Option<(Nanoseconds, Nanoseconds)>,
}

/// What is known of one probed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoStatus {
    /// Who is asked.
    pub address: IpAddr,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that were not.
    pub lost: u64,
    /// What an answer takes without a queue; `None`: it has never answered.
    pub baseline: Option<Nanoseconds>,
    /// What answers take beyond that; `None`: it does not answer at present.
    pub queue_delay: Option<Nanoseconds>,
}

/// One probed address.
#[derive(Clone, Debug)]
struct Reflector {
    address: IpAddr,
    answered: u64,
    lost: u64,
    baseline: Option<Nanoseconds>,
    /// The last answers, the newest last; before there are so many, times that no answer takes.
    recent: [Nanoseconds; ANSWERS],
    /// When it last answered.
    heard: Option<Nanoseconds>,
    /// When its baseline last turned out to be too high, and the baseline after that.
    fallen: Option<(Nanoseconds, Nanoseconds)>,
}

impl Echoes {
    /// Knows nothing yet.
    pub fn of(probes: &[IpAddr]) -> Self {
        let reflectors = probes.iter().map(|&address| Reflector::new(address));
        Self {
            reflectors: reflectors.collect(),
            span: None,
        }
    }

    /// For other addresses; what is known of those that stay is kept.
    #[must_use]
    pub fn rearranged(&self, probes: &[IpAddr]) -> Self {
        let known = |address: IpAddr| self.reflectors.iter().find(|one| one.address == address);
        let reflectors = probes
            .iter()
            .map(|&address| known(address).map_or_else(|| Reflector::new(address), Clone::clone));
        Self {
            reflectors: reflectors.collect(),
            span: None,
        }
    }

    /// Takes in what was heard by `now`. `is_unloaded` says that so little arrives that there cannot be a
    /// queue.
    pub fn observe(&mut self, now: Nanoseconds, echoes: &[Echo], is_unloaded: bool) {
        let (first, last) = self.span.unwrap_or((now, now));
        self.span = Some((first, now));
        let time_constant = if is_unloaded { RISE_UNLOADED } else { RISE };
        for (position, reflector) in self.reflectors.iter_mut().enumerate() {
            let mut has_answered = false;
            for echo in echoes.iter().filter(|echo| echo.probe == position) {
                has_answered |= echo.round_trip.is_some();
                reflector.take(now, echo.round_trip);
            }
            if has_answered {
                reflector.raise_baseline(now.since(last), time_constant);
            }
        }
    }

    /// Delay by the queue; `None`: nobody answers.
    ///
    /// Of several addresses the middle one counts, of two the quicker one: a queue that they are all behind
    /// delays all of them.
    pub fn queue_delay(&self) -> Option<Nanoseconds> {
        let now = self.span?.1;
        let delays = self.reflectors.iter().filter_map(|one| one.delay(now));
        let mut delays: Vec<Nanoseconds> = delays.collect();
        delays.sort_unstable();
        let middle = delays.len().checked_sub(1)? / 2;
        delays.get(middle).copied()
    }

    /// Whether a baseline has turned out to be too high a moment ago.
    pub fn is_baseline_falling(&self) -> bool {
        let now = self.span.map_or(Nanoseconds(0), |(_, now)| now);
        let fallen = self.reflectors.iter().filter_map(|one| one.fallen);
        fallen
            .into_iter()
            .any(|(at, _)| at.0 != 0 && now.since(at) <= FALLING_FOR)
    }

    /// Whether there is somebody to ask.
    pub fn is_probed(&self) -> bool {
        !self.reflectors.is_empty()
    }

    /// What is known of each address.
    pub fn status(&self) -> impl Iterator<Item = EchoStatus> {
        let now = self.span.map_or(Nanoseconds(0), |(_, now)| now);
        self.reflectors.iter().map(move |one| EchoStatus {
            address: one.address,
            answered: one.answered,
            lost: one.lost,
            baseline: one.baseline,
            queue_delay: one.delay(now),
        })
    }

    /// Addresses that have had time to answer, and do not.
    pub fn silent(&self) -> impl Iterator<Item = IpAddr> {
        let (first, now) = self.span.unwrap_or_default();
        let silent = self.reflectors.iter().filter(move |one| {
            let heard = one.heard.unwrap_or(first);
            now.since(heard) > SILENT_AFTER
        });
        silent.map(|one| one.address)
    }
}

impl Reflector {
    fn new(address: IpAddr) -> Self {
        Self {
            address,
            answered: 0,
            lost: 0,
            baseline: None,
            recent: [Nanoseconds(u64::MAX); ANSWERS],
            heard: None,
            fallen: None,
        }
    }

    /// Takes in an answer, or that there is none. The baseline falls at once.
    fn take(&mut self, now: Nanoseconds, round_trip: Option<Nanoseconds>) {
        let Some(round_trip) = round_trip else {
            self.lost = self.lost.saturating_add(1);
            return;
        };
        self.recent.rotate_left(1);
        if let Some(last) = self.recent.last_mut() {
            *last = round_trip;
        }
        self.answered = self.answered.saturating_add(1);
        self.heard = Some(now);
        let baseline = self.baseline.unwrap_or(round_trip).min(round_trip);
        self.baseline = Some(baseline);
        // The first one is not a fall.
        let (at, before) = self.fallen.unwrap_or((Nanoseconds(0), baseline));
        self.fallen = if before.since(baseline) > FALL {
            Some((now, baseline))
        } else {
            Some((at, before.max(baseline)))
        };
    }

    fn raise_baseline(&mut self, span: Nanoseconds, time_constant: Nanoseconds) {
        if let (Some(baseline), Some(quickest)) = (self.baseline, self.quickest()) {
            let raised = approach(baseline.0, quickest.0, span, time_constant);
            self.baseline = Some(baseline.max(Nanoseconds(raised)));
        }
    }

    /// The quickest of the last answers; `None`: there have been too few.
    fn quickest(&self) -> Option<Nanoseconds> {
        let quickest = self.recent.iter().copied().min();
        let is_full = self.recent.iter().all(|one| one.0 != u64::MAX);
        quickest.filter(|_| is_full)
    }

    fn delay(&self, now: Nanoseconds) -> Option<Nanoseconds> {
        let heard = self.heard.filter(|&heard| now.since(heard) <= SILENT_AFTER);
        let quickest = heard.and_then(|_| self.quickest());
        let (quickest, baseline) = quickest.zip(self.baseline)?;
        Some(quickest.since(baseline))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: u64 = 100;

    struct Path {
        echoes: Echoes,
        now: u64,
    }

    impl Path {
        fn to(addresses: u8) -> Self {
            let address = |last| IpAddr::from([192, 0, 2, last]);
            let addresses: Vec<IpAddr> = (1..=addresses).map(address).collect();
            Self {
                echoes: Echoes::of(&addresses),
                now: 0,
            }
        }

        /// One interval in which each address answers after so many ms, or does not.
        fn answer(&mut self, millis: &[Option<u64>], is_unloaded: bool) {
            self.now += INTERVAL;
            let echoes = millis.iter().enumerate().map(|(probe, millis)| Echo {
                probe,
                round_trip: millis.map(Nanoseconds::from_millis),
            });
            let echoes: Vec<Echo> = echoes.collect();
            let now = Nanoseconds::from_millis(self.now);
            self.echoes.observe(now, &echoes, is_unloaded);
        }

        fn answers(&mut self, count: u32, millis: &[Option<u64>]) {
            for _ in 0..count {
                self.answer(millis, false);
            }
        }

        fn delay_ms(&self) -> Option<u64> {
            self.echoes.queue_delay().map(|delay| delay.0 / 1_000_000)
        }

        fn baseline_ms(&self) -> Option<u64> {
            let baseline = self.echoes.status().next()?.baseline;
            baseline.map(|baseline| baseline.0 / 1_000_000)
        }
    }

    #[test]
    fn nothing_is_said_before_a_few_answers() {
        let mut path = Path::to(1);
        assert_eq!(path.delay_ms(), None);
        path.answers(2, &[Some(20)]);
        assert_eq!(path.delay_ms(), None);
        path.answers(1, &[Some(20)]);
        assert_eq!((path.delay_ms(), path.baseline_ms()), (Some(0), Some(20)));
    }

    #[test]
    fn a_queue_delays_all_answers_and_chance_one() {
        let mut path = Path::to(1);
        path.answers(5, &[Some(20)]);
        path.answers(1, &[Some(90)]);
        assert_eq!(path.delay_ms(), Some(0));
        path.answers(2, &[Some(70)]);
        assert_eq!(path.delay_ms(), Some(49));
    }

    #[test]
    fn a_baseline_falls_at_once_and_rises_slowly_under_load() {
        let mut path = Path::to(1);
        path.answers(5, &[Some(60)]);
        path.answers(1, &[Some(20)]);
        assert_eq!(path.baseline_ms(), Some(20));
        // Ten seconds of a queue.
        path.answers(100, &[Some(60)]);
        assert!(path.delay_ms().unwrap() >= 38);
    }

    #[test]
    fn a_baseline_that_falls_by_more_than_chance_is_falling_for_a_while() {
        let mut path = Path::to(1);
        path.answers(3, &[Some(60)]);
        path.answers(3, &[Some(56)]);
        assert!(!path.echoes.is_baseline_falling());
        path.answers(1, &[Some(52)]);
        assert!(path.echoes.is_baseline_falling());
        path.answers(9, &[Some(52)]);
        assert!(path.echoes.is_baseline_falling());
        path.answers(2, &[Some(52)]);
        assert!(!path.echoes.is_baseline_falling());
    }

    #[test]
    fn a_path_that_is_longer_without_any_load_has_a_new_baseline_soon() {
        let mut path = Path::to(1);
        path.answers(5, &[Some(20)]);
        for _ in 0..150 {
            path.answer(&[Some(60)], true);
        }
        assert!(path.delay_ms().unwrap() <= 2);
    }

    #[test]
    fn of_several_addresses_the_middle_one_counts() {
        let mut path = Path::to(3);
        path.answers(3, &[Some(20), Some(5), Some(40)]);
        path.answers(3, &[Some(20), Some(35), Some(90)]);
        assert_eq!(path.delay_ms(), Some(29));
        path.answers(3, &[Some(50), Some(35), None]);
        assert_eq!(path.delay_ms(), Some(29));
    }

    #[test]
    fn who_does_not_answer_is_silent_and_says_nothing() {
        let mut path = Path::to(2);
        path.answers(3, &[Some(20), None]);
        assert_eq!(path.echoes.silent().count(), 0);
        path.answers(20, &[Some(20), None]);
        let silent: Vec<IpAddr> = path.echoes.silent().collect();
        assert_eq!(silent, [IpAddr::from([192, 0, 2, 2])]);
        assert_eq!(path.delay_ms(), Some(0));
        path.answers(21, &[None, None]);
        assert_eq!((path.delay_ms(), path.echoes.silent().count()), (None, 2));
        let lost: Vec<u64> = path.echoes.status().map(|one| one.lost).collect();
        assert_eq!(lost, [21, 44]);
    }

    #[test]
    fn an_address_that_stays_keeps_its_baseline() {
        let mut path = Path::to(2);
        path.answers(3, &[Some(20), Some(30)]);
        let stays = [
            IpAddr::from([198, 51, 100, 1]),
            IpAddr::from([192, 0, 2, 2]),
        ];
        let baselines = path.echoes.rearranged(&stays);
        let baselines: Vec<_> = baselines.status().map(|one| one.baseline).collect();
        assert_eq!(baselines, [None, Some(Nanoseconds::from_millis(30))]);
    }

    proptest! {
        #[test]
        fn a_baseline_is_never_above_all_that_was_answered_nor_below_the_least(
            answers in prop::collection::vec(prop::option::of(1..1_000_u64), 3..60),
            is_unloaded: bool,
        ) {
            let mut path = Path::to(1);
            for &answer in &answers {
                path.answer(&[answer], is_unloaded);
            }
            let known = || answers.iter().flatten();
            let baseline = path.baseline_ms();
            prop_assert_eq!(baseline.is_some(), known().count() > 0);
            if let (Some(baseline), Some(&least), Some(&most)) =
                (baseline, known().min(), known().max())
            {
                prop_assert!(least <= baseline && baseline <= most);
                prop_assert!(path.delay_ms().is_none_or(|delay| delay <= most - least));
            }
        }
    }
}
