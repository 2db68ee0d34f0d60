//! The law by itself, and in a closed loop with a link that has a queue.

mod closed_loop;

use proptest::prelude::*;

use super::*;
use crate::policy::AttachMode;

const MEGABIT: u64 = 1_000_000;
const SPAN: Nanoseconds = Nanoseconds::from_millis(100);

fn adaptive(min: u64, max: u64) -> Adaptive {
    Adaptive {
        min: BitsPerSecond(min),
        max: BitsPerSecond(max),
        probes: vec![std::net::IpAddr::from([192, 0, 2, 1])],
        probe_interval: Nanoseconds::from_millis(100),
        delay_target: Nanoseconds::from_millis(15),
    }
}

fn interface(start: u64, min: u64, max: u64) -> Interface {
    Interface {
        name: "eth0".to_owned(),
        capacity: BitsPerSecond(start),
        mode: AttachMode::Auto,
        overhead: 0,
        adaptive: Some(adaptive(min, max)),
        then: None,
    }
}

fn link(arrived: u64, delay_ms: Option<u64>) -> LinkEstimate {
    LinkEstimate {
        arrived: BitsPerSecond(arrived),
        is_probed: true,
        queue_delay: delay_ms.map(Nanoseconds::from_millis),
        is_baseline_falling: false,
        misses_frames: false,
    }
}

/// A capacity of 50 Mbit/s between 10 and 200.
struct Law {
    interface: Interface,
    now: u64,
    adaptation: Adaptation,
}

impl Law {
    fn new() -> Self {
        let interface = interface(50 * MEGABIT, 10 * MEGABIT, 200 * MEGABIT);
        Self {
            adaptation: Adaptation::new(&interface),
            interface,
            now: 0,
        }
    }

    /// One interval; returns the capacity in kbit/s and the reason.
    fn see(&mut self, link: LinkEstimate) -> (u64, Reason) {
        self.now += SPAN.0;
        let adaptive = self.interface.adaptive.as_ref().unwrap();
        let times = (Nanoseconds(self.now), SPAN);
        self.adaptation = self
            .adaptation
            .after(&link, &self.interface, adaptive, times);
        let capacity = self.adaptation.capacity();
        (capacity.0 / 1_000, self.adaptation.reason())
    }

    /// A path that has been seen without a queue.
    fn known() -> Self {
        let mut law = Self::new();
        assert_eq!(law.see(link(0, Some(0))), (50_000, Reason::Steady));
        law
    }

    fn see_for(&mut self, seconds: u64, link: LinkEstimate) -> (u64, Reason) {
        for _ in 0..seconds * 10 {
            self.see(link);
        }
        self.see(link)
    }
}

#[test]
fn on_a_queue_the_capacity_falls_below_what_arrived_by_as_much_as_drains_it() {
    let bloat = |delay_ms| Law::known().see(link(40 * MEGABIT, Some(delay_ms)));
    assert_eq!(bloat(15), (50_000, Reason::Steady));
    assert_eq!(bloat(16), (38_720, Reason::Bufferbloat));
    assert_eq!(bloat(50), (36_000, Reason::Bufferbloat));
    assert_eq!(bloat(2_000), (30_000, Reason::Bufferbloat));
}

#[test]
fn a_queue_that_goes_down_is_answered_once() {
    let mut law = Law::new();
    law.see(link(40 * MEGABIT, Some(200)));
    for delay_ms in (20..200).rev().step_by(8) {
        let seen = law.see(link(38 * MEGABIT, Some(delay_ms)));
        assert_eq!(seen, (30_000, Reason::Waiting), "{delay_ms}");
    }
    // A second one is another matter.
    law.see_for(1, link(29 * MEGABIT, Some(0)));
    let seen = law.see(link(28 * MEGABIT, Some(25)));
    assert_eq!(seen, (26_600, Reason::Bufferbloat));
}

#[test]
fn a_queue_that_stays_is_answered_again_by_what_arrives() {
    let mut law = Law::new();
    // The link has become slower meanwhile.
    law.see(link(40 * MEGABIT, Some(200)));
    let seen = law.see_for(1, link(20 * MEGABIT, Some(200)));
    assert_eq!(seen.0, 15_000);
    // Senders that slow down for nothing: not down and down.
    let seen = law.see_for(30, link(20 * MEGABIT, Some(500)));
    assert_eq!(seen.0, 15_000);
}

#[test]
fn a_path_that_is_first_seen_under_load_is_looked_at_without_a_queue() {
    let mut law = Law::new();
    assert_eq!(
        law.see(link(40 * MEGABIT, None)),
        (50_000, Reason::NoAnswer)
    );
    assert_eq!(
        law.see(link(40 * MEGABIT, Some(0))),
        (30_000, Reason::Looking)
    );
    // The queue goes, and the baseline with it.
    let falling = LinkEstimate {
        is_baseline_falling: true,
        ..link(40 * MEGABIT, Some(0))
    };
    assert_eq!(law.see_for(5, falling), (30_000, Reason::Waiting));
    assert_eq!(law.see(link(30 * MEGABIT, Some(0))).1, Reason::Busy);
    let (climbed, _) = law.see_for(5, link(50 * MEGABIT, Some(0)));
    assert!(climbed > 40_000, "{climbed}");
}

#[test]
fn a_look_that_finds_no_queue_costs_two_seconds() {
    let mut law = Law::new();
    assert_eq!(
        law.see(link(40 * MEGABIT, Some(0))),
        (30_000, Reason::Looking)
    );
    for _ in 0..19 {
        assert_eq!(
            law.see(link(30 * MEGABIT, Some(0))),
            (30_000, Reason::Waiting)
        );
    }
    assert_eq!(
        law.see(link(30 * MEGABIT, Some(0))),
        (50_000, Reason::Looking)
    );
    assert_eq!(
        law.see(link(30 * MEGABIT, Some(0))),
        (50_000, Reason::Steady)
    );
    // Nor does one cost anything that begins with little load.
    let mut law = Law::new();
    assert_eq!(
        law.see(link(10 * MEGABIT, Some(0))),
        (50_000, Reason::Steady)
    );
    assert_eq!(law.see(link(49 * MEGABIT, Some(0))).1, Reason::Busy);
}

#[test]
fn frames_that_the_device_misses_are_answered_without_any_probe() {
    let mut law = Law::new();
    let missed = LinkEstimate {
        is_probed: false,
        queue_delay: None,
        misses_frames: true,
        ..link(40 * MEGABIT, None)
    };
    assert_eq!(law.see(missed), (36_000, Reason::MissedFrames));
    let busy = LinkEstimate {
        misses_frames: false,
        ..missed
    };
    assert_eq!(law.see(busy), (36_000, Reason::Waiting));
    assert_eq!(law.see_for(1, busy).1, Reason::Busy);
}

#[test]
fn without_an_answer_it_holds() {
    let mut law = Law::new();
    for arrived in [0, 49, 500] {
        let seen = law.see_for(10, link(arrived * MEGABIT, None));
        assert_eq!(seen, (50_000, Reason::NoAnswer));
    }
}

#[test]
fn a_delay_that_what_arrives_cannot_have_made_is_left_alone() {
    let mut law = Law::new();
    let seen = law.see_for(10, link(5 * MEGABIT, Some(300)));
    assert_eq!(seen, (50_000, Reason::Steady));
}

#[test]
fn a_busy_link_without_a_queue_climbs_a_tenth_a_second() {
    let mut law = Law::new();
    let (after, reason) = law.see_for(1, link(200 * MEGABIT, Some(0)));
    assert_eq!(reason, Reason::Busy);
    assert!((54_500..56_500).contains(&after), "{after}");
    // Neither with half of what counts as a queue, nor with little to do.
    assert_eq!(law.see(link(200 * MEGABIT, Some(8))).1, Reason::Steady);
    assert_eq!(law.see(link(40 * MEGABIT, Some(0))).1, Reason::Steady);
}

#[test]
fn near_the_rate_at_which_there_was_a_queue_it_climbs_slowly() {
    let mut law = Law::new();
    law.see(link(40 * MEGABIT, Some(100)));
    let busy = link(39 * MEGABIT, Some(0));
    let (soon, _) = law.see_for(4, busy);
    assert!((39_000..39_500).contains(&soon), "{soon}");
    let (later, _) = law.see_for(4, busy);
    assert!((later - soon).abs_diff(soon / 50) < 300, "{soon} {later}");
    // Beyond it the link has more than it had.
    let (beyond, _) = law.see_for(10, link(80 * MEGABIT, Some(0)));
    assert!(beyond > 60_000, "{beyond}");
}

#[test]
fn an_idle_link_drifts_back_to_where_it_started() {
    let mut law = Law::new();
    law.see(link(20 * MEGABIT, Some(400)));
    let (low, _) = law.see(link(0, Some(0)));
    assert_eq!(low, 15_000);
    let (soon, reason) = law.see_for(5, link(0, Some(0)));
    assert_eq!(reason, Reason::Idle);
    assert!((16_000..17_500).contains(&soon), "{soon}");
    assert_eq!(law.see_for(120, link(0, Some(0))), (50_000, Reason::Steady));
    law.see_for(60, link(200 * MEGABIT, Some(0)));
    assert_eq!(law.see_for(120, link(0, Some(0))).0, 50_000);
}

#[test]
fn what_was_changed_last_and_why_is_told() {
    let mut law = Law::new();
    assert_eq!(law.adaptation.last_change(), None);
    law.see(link(40 * MEGABIT, Some(100)));
    let change = Change {
        at: SPAN,
        from: BitsPerSecond(50 * MEGABIT),
        reason: Reason::Bufferbloat,
    };
    assert_eq!(law.adaptation.last_change(), Some(change));
    law.see(link(40 * MEGABIT, Some(100)));
    assert_eq!(law.adaptation.last_change(), Some(change));
}

prop_compose! {
    fn any_link()(
        arrived in prop_oneof![Just(0), 0..300 * MEGABIT, any::<u64>()],
        delay in prop::option::of(prop_oneof![0..100_000_000_u64, any::<u64>()]),
        misses_frames in prop::bool::weighted(0.1),
        is_probed: bool,
        is_baseline_falling in prop::bool::weighted(0.1),
    ) -> LinkEstimate {
        LinkEstimate {
            arrived: BitsPerSecond(arrived),
            is_probed,
            queue_delay: delay.map(Nanoseconds),
            is_baseline_falling,
            misses_frames,
        }
    }
}

prop_compose! {
    fn any_interface()(mut rates in prop::array::uniform3(8_000..400_000_000_000_u64)) -> Interface {
        rates.sort_unstable();
        interface(rates[1], rates[0], rates[2])
    }
}

proptest! {
    #[test]
    fn whatever_a_link_does_its_capacity_stays_within_its_bounds(
        interface in any_interface(),
        links in prop::collection::vec((any_link(), 1..20_000_000_000_u64), 1..80),
    ) {
        let adaptive = interface.adaptive.clone().unwrap();
        let mut adaptation = Adaptation::new(&interface);
        let mut now = 0_u64;
        for (link, span) in links {
            now += span;
            let times = (Nanoseconds(now), Nanoseconds(span));
            let before = adaptation.capacity();
            adaptation = adaptation.after(&link, &interface, &adaptive, times);
            let after = adaptation.capacity();
            prop_assert!((adaptive.min..=adaptive.max).contains(&after));
            match adaptation.reason() {
                Reason::Bufferbloat | Reason::MissedFrames => prop_assert!(after <= before),
                Reason::Looking => prop_assert!(after <= interface.capacity),
                Reason::Busy => prop_assert!(after >= before),
                Reason::Waiting | Reason::Steady | Reason::NoAnswer | Reason::Start => {
                    prop_assert_eq!(after, before);
                }
                Reason::Idle => {
                    let start = interface.capacity;
                    prop_assert!(after.0.abs_diff(start.0) <= before.0.abs_diff(start.0));
                }
            }
        }
    }

    #[test]
    fn a_longer_queue_never_means_more_capacity_nor_does_less_that_arrives_in_it(
        interface in any_interface(),
        past in prop::collection::vec(any_link(), 0..20),
        arrived in prop::array::uniform2(0..400_000_000_000_u64),
        delays in prop::array::uniform2(0..3_000_u64),
    ) {
        let adaptive = interface.adaptive.clone().unwrap();
        let mut adaptation = Adaptation::new(&interface);
        let mut now = 0_u64;
        for link in past {
            now += SPAN.0;
            let times = (Nanoseconds(now), SPAN);
            adaptation = adaptation.after(&link, &interface, &adaptive, times);
        }
        // Long after the last fall.
        let times = (Nanoseconds(now + 50 * DRAIN.0), SPAN);
        let next = |arrived: u64, delay: u64| {
            let link = link(arrived, Some(delay));
            adaptation.after(&link, &interface, &adaptive, times).capacity()
        };
        let (mut arrived, mut delays) = (arrived, delays);
        arrived.sort_unstable();
        delays.sort_unstable();
        prop_assert!(next(arrived[0], delays[1]) <= next(arrived[0], delays[0]));
        let lightest = adaptive.min.percent(LIGHT_PERCENT).0 + 1;
        let delay = delays[1].max(16);
        prop_assert!(
            next(arrived[0].max(lightest), delay) <= next(arrived[1].max(lightest), delay)
        );
    }

    #[test]
    fn new_bounds_hold_at_once(interface in any_interface(), other in any_interface()) {
        let adaptive = other.adaptive.clone().unwrap();
        let capacity = Adaptation::new(&interface).within(&adaptive).capacity();
        prop_assert!((adaptive.min..=adaptive.max).contains(&capacity));
    }
}
