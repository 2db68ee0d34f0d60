//! A capacity that follows its link: what is shared out, what is said, what a new policy keeps.

use std::net::IpAddr;

use super::*;
use crate::decide::Reason;
use crate::observe::Echo;
use crate::policy::Adaptive;

const PATH_MS: u64 = 20;

fn following(start: u64, min: u64, max: u64) -> Policy {
    let mut policy = policy(vec![
        class("critical", 0, 20 * MEGABIT),
        class("bulk", 7, 0),
    ]);
    policy.interfaces[0].capacity = BitsPerSecond(start * MEGABIT);
    policy.interfaces[0].adaptive = Some(Adaptive {
        min: BitsPerSecond(min * MEGABIT),
        max: BitsPerSecond(max * MEGABIT),
        probes: vec![IpAddr::from([192, 0, 2, 1])],
        probe_interval: INTERVAL,
        delay_target: Nanoseconds::from_millis(15),
    });
    policy
}

impl Lab {
    /// One interval in which `bulk` offers so much, of which `link` arrives with a delay by a queue.
    fn behind_a_queue(&mut self, link: u64, delay_ms: u64) -> Vec<Command> {
        let round_trip = Nanoseconds::from_millis(PATH_MS + delay_ms);
        self.observation.links = vec![LinkSignals {
            missed_frames: None,
            echoes: vec![Echo {
                probe: 0,
                round_trip: Some(round_trip),
            }],
        }];
        self.interval(&[0, link])
    }

    /// The path is seen while nothing is sent.
    fn without_load(policy: &Policy) -> Self {
        let mut lab = Self::new(policy);
        for _ in 0..4 {
            lab.behind_a_queue(0, 0);
        }
        lab
    }

    fn capacity(&self) -> u64 {
        self.controller.standing().interfaces[0].capacity.0
    }

    /// Until the capacity has fallen.
    fn fall(&mut self, link: u64) -> Vec<Command> {
        for _ in 0..4 {
            self.behind_a_queue(link, 0);
        }
        for _ in 0..3 {
            let commands = self.behind_a_queue(link, 100);
            let is_fall = |command: &Command| matches!(command, Command::SetCapacity { .. });
            if commands.iter().any(is_fall) {
                return commands;
            }
        }
        panic!("no fall");
    }
}

#[test]
fn a_capacity_that_falls_is_said_after_the_rates_that_fall_and_is_shared_out() {
    let mut lab = Lab::without_load(&following(200, 20, 500));
    lab.intervals(20, &[0, 100 * MEGABIT]);
    let commands = lab.fall(100 * MEGABIT);
    // Below what arrived by a fifth, which drains a queue of 100 ms in half a second.
    let near = 79 * MEGABIT..=81 * MEGABIT;
    let said = commands.iter().position(|command| match command {
        Command::SetCapacity {
            interface: 0,
            capacity,
        } => near.contains(&capacity.0),
        Command::SetCapacity { .. } | Command::SetRate { .. } | Command::MoveSlot { .. } => false,
    });
    assert!(
        matches!(commands[0], Command::SetRate { .. }) && said >= Some(1),
        "{commands:?}"
    );
    assert!(near.contains(&lab.capacity()));
    let following = lab.controller.following(0).unwrap();
    assert_eq!(following.adaptation().reason(), Reason::Bufferbloat);
    lab.intervals(20, &[20 * MEGABIT, 300 * MEGABIT]);
    let rates: u64 = lab.rates[0].iter().map(|rate| rate.0).sum();
    assert_eq!(rates, lab.capacity());
    assert!(lab.rate(0) >= 20 * MEGABIT);
    assert!(lab.controller.following(1).is_none());
}

#[test]
fn rates_and_capacity_never_disagree_while_it_climbs() {
    let mut lab = Lab::without_load(&following(50, 20, 500));
    let mut before = lab.capacity();
    for _ in 0..300 {
        lab.behind_a_queue(lab.capacity(), 0);
        let rates: u64 = lab.rates[0].iter().map(|rate| rate.0).sum();
        assert!(rates <= lab.capacity() + 20 * MEGABIT, "{rates}");
        assert!(lab.capacity() >= before);
        before = lab.capacity();
    }
    assert_eq!(before, 500 * MEGABIT);
}

#[test]
fn a_new_policy_keeps_the_capacity_within_its_bounds_unless_it_starts_elsewhere() {
    let mut lab = Lab::without_load(&following(200, 20, 500));
    lab.intervals(20, &[0, 100 * MEGABIT]);
    lab.fall(100 * MEGABIT);
    let under = |policy: &Policy| {
        let mut controller = lab.controller.clone();
        controller.set_policy(policy);
        let rates: u64 = controller.rates()[0].iter().map(|rate| rate.0).sum();
        let capacity = controller.standing().interfaces[0].capacity.0;
        // The guarantee of a class that sends nothing is lent.
        assert!(rates <= capacity + 20 * MEGABIT, "{rates}");
        capacity / MEGABIT
    };
    assert_eq!(under(&following(200, 20, 400)), 80);
    assert_eq!(under(&following(200, 100, 400)), 100);
    assert_eq!(under(&following(200, 20, 70)), 70);
    assert_eq!(under(&following(300, 20, 500)), 300);
    assert_eq!(under(&policy(vec![class("bulk", 7, 0)])), 1_000);
}
