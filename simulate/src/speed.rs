//! What a tick of the controller costs.

use stormbolt::lab::clock::now_ns;
use stormbolt_control::controller::Controller;
use stormbolt_control::observe::{CellCounters, Observation};
use stormbolt_control::policy::{AttachMode, Class, Group, Interface, Law, Policy};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

const CAPACITY: u64 = 400_000_000_000;
const TICKS: u64 = 50;

/// The median and the longest time of a tick, in µs, with so many classes on one interface, a tenth of them
/// in groups of a hundred if there are to be `groups`. All of them send, all want something else at every
/// tick, and more than there is.
pub fn tick_cost(classes: u32, law: Law, groups: bool) -> (u64, u64) {
    let policy = policy(classes, law, groups);
    let mut controller = Controller::new(&policy);
    let mut observation = Observation {
        now: Nanoseconds(0),
        cells: vec![vec![CellCounters::default(); policy.classes.len()]],
        ..Observation::default()
    };
    controller.tick(&observation);
    let mut times: Vec<u64> = Vec::new();
    for tick in 0..TICKS {
        observation.now.0 += policy.interval.0;
        for (number, cell) in (0_u64..).zip(observation.cells.iter_mut().flatten()) {
            // Bytes of an interval at up to three times the fair share, without a pattern.
            let noise = (number * 7_919 + tick * 104_729) % 1_000;
            let fair = CAPACITY / 80 / u64::from(classes);
            cell.passed_bytes += fair * noise / 1_000;
            cell.dropped_bytes += fair * 2 * (noise * 31 % 1_000) / 1_000;
        }
        let start = now_ns();
        let commands = controller.tick(&observation);
        times.push(now_ns().saturating_sub(start) / 1_000);
        drop(commands);
    }
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(0);
    (at(50), times.last().copied().unwrap_or(0))
}

fn policy(classes: u32, law: Law, has_groups: bool) -> Policy {
    let class = |number: u32| Class {
        name: format!("c{number}"),
        priority: u8::try_from(number % 8).unwrap_or(0),
        rate: BitsPerSecond(if number.is_multiple_of(4) {
            CAPACITY / 8 / u64::from(classes)
        } else {
            0
        }),
        ceil: None,
        group: usize::try_from(number / 100)
            .ok()
            .filter(|group| has_groups && *group * 1_000 < usize::try_from(classes).unwrap_or(0)),
        burst: Nanoseconds::from_millis(50),
        weight: 1 + number % 7,
        cpus: None,
        per_source: None,
        treatment: stormbolt_control::policy::Treatment::default(),
    };
    let group = |number: u32| Group {
        name: format!("g{number}"),
        parent: None,
        priority: 3,
        rate: BitsPerSecond(25 * (CAPACITY / 8 / u64::from(classes))),
        ceil: Some(BitsPerSecond(CAPACITY / 10)),
        weight: 1,
    };
    Policy {
        law,
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            capacity: BitsPerSecond(CAPACITY),
            mode: AttachMode::Auto,
            overhead: 0,
            adaptive: None,
            then: None,
        }],
        classes: (0..classes).map(class).collect(),
        groups: if has_groups {
            (0..classes.div_ceil(1_000)).map(group).collect()
        } else {
            Vec::new()
        },
        ..Policy::empty()
    }
}
