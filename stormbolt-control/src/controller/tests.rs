//! The controller in a closed loop with a simulated policer.

mod adaptive;
mod properties;

use std::collections::BTreeSet;

use super::*;
use crate::observe::{CellCounters, LinkSignals};
use crate::policy::{AttachMode, Class, Interface};
use crate::units::Nanoseconds;

const MEGABIT: u64 = 1_000_000;
const CAPACITY: u64 = 1_000 * MEGABIT;
const INTERVAL: Nanoseconds = Nanoseconds::from_millis(100);

fn class(name: &str, priority: u8, rate: u64) -> Class {
    Class {
        name: name.to_owned(),
        priority,
        rate: BitsPerSecond(rate),
        ceil: None,
        group: None,
        per_source: None,
        burst: Nanoseconds::from_millis(20),
        weight: 1,
        cpus: None,
        treatment: crate::policy::Treatment::default(),
    }
}

fn on_cpus(mut class: Class, cpus: &[u32]) -> Class {
    class.cpus = Some(CpuSet(cpus.iter().copied().collect::<BTreeSet<_>>()));
    class
}

fn policy(classes: Vec<Class>) -> Policy {
    let interface = |name: &str| Interface {
        name: name.to_owned(),
        capacity: BitsPerSecond(CAPACITY),
        mode: AttachMode::Auto,
        overhead: 0,
        adaptive: None,
        then: None,
    };
    Policy {
        interval: INTERVAL,
        interfaces: vec![interface("eth0"), interface("eth1")],
        classes,
        ..Policy::empty()
    }
}

/// A data path that passes what is offered up to the rate, and does what commands say.
struct Lab {
    controller: Controller,
    observation: Observation,
    rates: Vec<Vec<BitsPerSecond>>,
    placement: Vec<Vec<u32>>,
}

impl Lab {
    fn new(policy: &Policy) -> Self {
        let controller = Controller::new(policy);
        let mut lab = Self {
            rates: controller.rates().to_vec(),
            placement: controller.placement().to_vec(),
            observation: Observation {
                now: Nanoseconds(0),
                cells: vec![vec![CellCounters::default(); policy.classes.len()]; 2],
                slot_packets: vec![vec![0; SLOTS]; controller.cpu_sets().len()],
                links: Vec::new(),
            },
            controller,
        };
        assert_eq!(lab.controller.tick(&lab.observation), []);
        lab
    }

    /// One interval in which the classes offer these rates on the first interface.
    fn interval(&mut self, offered: &[u64]) -> Vec<Command> {
        let bytes = |bits: u64| bits / 8 / 10;
        for (class, offered) in offered.iter().enumerate() {
            let passed = bytes(self.rate(class).min(*offered));
            let cell = &mut self.observation.cells[0][class];
            cell.passed_bytes += passed;
            cell.dropped_bytes += bytes(*offered).saturating_sub(passed);
        }
        self.observation.now.0 += INTERVAL.0;
        let commands = self.controller.tick(&self.observation);
        for command in &commands {
            match *command {
                Command::SetRate {
                    interface,
                    class,
                    rate,
                } => self.rates[interface][class] = rate,
                Command::MoveSlot { cpu_set, slot, cpu } => self.placement[cpu_set][slot] = cpu,
                Command::SetCapacity { .. } => {}
            }
        }
        assert_eq!(self.rates, self.controller.rates());
        assert_eq!(self.placement, self.controller.placement());
        commands
    }

    fn intervals(&mut self, count: usize, offered: &[u64]) {
        for _ in 0..count {
            self.interval(offered);
        }
    }

    fn rate(&self, class: usize) -> u64 {
        self.rates[0][class].0
    }
}

#[test]
fn before_any_observation_guarantees_and_the_rest_are_handed_out() {
    let controller = Controller::new(&policy(vec![
        class("a", 0, 400 * MEGABIT),
        class("b", 7, 0),
    ]));
    let rates = controller.rates()[0]
        .iter()
        .map(|rate| rate.0)
        .collect::<Vec<_>>();
    assert!(rates[0] >= 400 * MEGABIT && rates[1] > 0);
    assert_eq!(rates.iter().sum::<u64>(), CAPACITY);
}

#[test]
fn a_guarantee_holds_from_the_first_packet_under_a_flood() {
    let mut lab = Lab::new(&policy(vec![
        class("critical", 0, 200 * MEGABIT),
        class("bulk", 7, 0),
    ]));
    lab.intervals(50, &[0, 5 * CAPACITY]);
    assert!(
        lab.rate(1) > CAPACITY * 98 / 100,
        "bulk uses what is idle: {}",
        lab.rate(1)
    );

    assert!(lab.rate(0) >= 200 * MEGABIT);
    lab.interval(&[200 * MEGABIT, 5 * CAPACITY]);
    assert!(lab.rate(0) >= 200 * MEGABIT);
    assert!(
        lab.rate(1) <= 800 * MEGABIT,
        "bulk gives way at once: {}",
        lab.rate(1)
    );
}

#[test]
fn a_class_without_guarantee_starts_under_a_flood_of_lower_priority() {
    let mut lab = Lab::new(&policy(vec![class("web", 3, 0), class("bulk", 7, 0)]));
    lab.intervals(50, &[0, 5 * CAPACITY]);
    assert!(lab.rate(0) >= CAPACITY / 1_000, "{}", lab.rate(0));
    lab.intervals(5, &[300 * MEGABIT, 5 * CAPACITY]);
    assert!(lab.rate(0) >= 300 * MEGABIT, "{}", lab.rate(0));
}

#[test]
fn rates_come_to_rest_after_a_step_in_demand() {
    let classes = vec![
        class("a", 0, 200 * MEGABIT),
        class("b", 3, 0),
        class("c", 3, 0),
    ];
    let mut lab = Lab::new(&policy(classes));
    lab.intervals(30, &[100 * MEGABIT, 100 * MEGABIT, 100 * MEGABIT]);
    let step = [400 * MEGABIT, 2 * CAPACITY, 2 * CAPACITY];
    lab.intervals(30, &step);
    for _ in 0..50 {
        assert_eq!(lab.interval(&step), []);
    }
    assert!(
        lab.rate(0).abs_diff(400 * MEGABIT) <= 4 * MEGABIT,
        "{:?}",
        lab.rates
    );
    assert!(
        lab.rate(1).abs_diff(300 * MEGABIT) <= 3 * MEGABIT,
        "{:?}",
        lab.rates
    );
    assert!(
        lab.rate(1).abs_diff(lab.rate(2)) <= 3 * MEGABIT,
        "{:?}",
        lab.rates
    );
}

#[test]
fn senders_that_offer_hardly_more_than_passes_reach_fair_shares() {
    let mut lab = Lab::new(&policy(vec![class("a", 3, 0), class("b", 3, 0)]));
    lab.intervals(20, &[CAPACITY, 10 * MEGABIT]);
    // TCP: 3 % beyond the rate, as much as its losses tell it that there is.
    let mut intervals = 0;
    while lab.rate(0).abs_diff(lab.rate(1)) > CAPACITY / 10 {
        let offered = [lab.rate(0) * 103 / 100, lab.rate(1) * 103 / 100];
        lab.interval(&offered);
        intervals += 1;
        assert!(intervals < 100, "{:?}", lab.rates);
    }
}

#[test]
fn demand_that_fluctuates_is_met_without_wasting_much() {
    let mut lab = Lab::new(&policy(vec![class("video", 0, 0), class("bulk", 7, 0)]));
    let (mut offered, mut bulk) = (0, 0);
    for step in 0..200_u64 {
        // 300 Mbit/s, give or take 2 %.
        let video = 294 * MEGABIT + step * 7_919_993 % (12 * MEGABIT);
        lab.interval(&[video, 5 * CAPACITY]);
        if step == 20 {
            lab.observation.cells[0] = vec![CellCounters::default(); 2];
        } else if step > 20 {
            offered += video / 80;
            bulk += lab.rate(1) / 80;
        }
    }
    let passed = lab.observation.cells[0][0].passed_bytes;
    assert!(
        passed * 1000 >= offered * 997,
        "video: {passed} of {offered}"
    );
    assert!(bulk >= 179 * CAPACITY / 80 * 65 / 100, "bulk: {bulk}");
}

#[test]
fn falls_are_commanded_before_rises() {
    let mut lab = Lab::new(&policy(vec![class("a", 7, 0), class("b", 0, 0)]));
    lab.intervals(20, &[2 * CAPACITY, 0]);
    let commands = lab.interval(&[2 * CAPACITY, CAPACITY / 2]);
    let classes: Vec<usize> = commands
        .iter()
        .filter_map(|command| match command {
            Command::SetRate { class, .. } => Some(*class),
            Command::MoveSlot { .. } | Command::SetCapacity { .. } => None,
        })
        .collect();
    assert_eq!(classes, [0, 1]);
}

#[test]
fn an_unchanged_policy_changes_nothing() {
    let policy = policy(vec![
        on_cpus(class("a", 0, 200 * MEGABIT), &[0, 1]),
        on_cpus(class("b", 5, 0), &[1]),
    ]);
    let mut lab = Lab::new(&policy);
    lab.intervals(10, &[300 * MEGABIT, 2 * CAPACITY]);
    lab.controller.set_policy(&policy);
    assert_eq!(lab.controller.rates(), lab.rates);
    assert_eq!(lab.controller.placement(), lab.placement);
    // The span goes on: nothing of the next interval is lost.
    lab.interval(&[300 * MEGABIT, 2 * CAPACITY]);
    assert_eq!(
        lab.controller.demands()[0][0].offered,
        BitsPerSecond(300 * MEGABIT)
    );
}

#[test]
fn a_new_policy_keeps_what_is_known_of_classes_by_name() {
    let mut lab = Lab::new(&policy(vec![class("a", 0, 0), class("b", 5, 0)]));
    lab.intervals(20, &[300 * MEGABIT, 2 * CAPACITY]);
    let mut b = class("b", 5, 0);
    b.ceil = Some(BitsPerSecond(150 * MEGABIT));
    lab.controller.set_policy(&policy(vec![
        class("new", 3, 50 * MEGABIT),
        b,
        class("a", 0, 0),
    ]));

    let rates: Vec<u64> = lab.controller.rates()[0]
        .iter()
        .map(|rate| rate.0)
        .collect();
    assert!(rates[0] >= 50 * MEGABIT, "{rates:?}");
    assert_eq!(rates[1], 150 * MEGABIT);
    assert!(rates[2] >= 300 * MEGABIT, "{rates:?}");
    assert_eq!(
        lab.controller.demands()[0][2].offered,
        BitsPerSecond(300 * MEGABIT)
    );
    assert_eq!(lab.controller.demands()[0][0], ClassEstimate::default());
}

#[test]
fn cpu_sets_are_numbered_by_first_use() {
    let controller = Controller::new(&policy(vec![
        class("none", 0, 0),
        on_cpus(class("a", 0, 0), &[2, 3]),
        on_cpus(class("b", 0, 0), &[0]),
        on_cpus(class("c", 0, 0), &[3, 2]),
    ]));
    assert_eq!(controller.cpu_sets().len(), 2);
    let of_class: Vec<_> = (0..5).map(|class| controller.cpu_set_of(class)).collect();
    assert_eq!(of_class, [None, Some(0), Some(1), Some(0), None]);
    assert_eq!(controller.placement()[0][..3], [2, 3, 2]);
    assert_eq!(controller.placement()[1], [0; SLOTS]);
}

#[test]
fn a_changed_cpu_set_moves_only_slots_of_cpus_that_are_gone() {
    let mut controller = Controller::new(&policy(vec![on_cpus(class("a", 0, 0), &[0, 1, 2])]));
    let before = controller.placement()[0].clone();
    controller.set_policy(&policy(vec![
        on_cpus(class("b", 0, 0), &[7]),
        on_cpus(class("a", 0, 0), &[0, 1, 5]),
    ]));
    for (old, new) in before.iter().zip(&controller.placement()[1]) {
        assert!(if *old == 2 {
            [0, 1, 5].contains(new)
        } else {
            old == new
        });
    }
    assert!(controller.placement()[1].contains(&5));
    assert_eq!(controller.placement()[0], [7; SLOTS]);
}

#[test]
fn slots_follow_the_load() {
    let mut lab = Lab::new(&policy(vec![on_cpus(class("a", 0, 0), &[0, 1])]));
    // All the traffic is in slots that begin on CPU 0.
    for _ in 0..30 {
        for slot in (0..SLOTS).step_by(2) {
            lab.observation.slot_packets[0][slot] += 100;
        }
        lab.interval(&[0]);
    }
    let busy = (0..SLOTS)
        .step_by(2)
        .filter(|slot| lab.placement[0][*slot] == 1)
        .count();
    assert!(
        (230..=282).contains(&busy),
        "{busy} of 512 busy slots on CPU 1"
    );
}

#[test]
fn an_observation_that_does_not_fit_the_policy_does_no_harm() {
    let mut controller = Controller::new(&policy(vec![on_cpus(class("a", 0, 0), &[0, 1])]));
    for step in 0..5 {
        let now = Nanoseconds::from_millis(step * 100);
        let slot_packets = vec![vec![step; 3]; 9];
        controller.tick(&Observation {
            now,
            cells: vec![],
            slot_packets,
            links: vec![LinkSignals::default(); usize::try_from(step).unwrap()],
        });
    }
    assert_eq!(controller.placement()[0].len(), SLOTS);
}
