//! The closed loop: the controller sees what the link has passed, the link holds what it decides.

use stormbolt_control::controller::{Command, Controller};
use stormbolt_control::observe::{CellCounters, Observation};
use stormbolt_control::policy::Policy;
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use crate::link::Link;
use crate::scenario::{SAMPLES_PER_INTERVAL, Scenario};

/// What happened, sample by sample, in bit/s.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What passed, `[sample][class]`.
    pub passed: Vec<Vec<u64>>,
    /// The rates in force, `[sample][class]`.
    pub rates: Vec<Vec<u64>>,
}

/// Runs a scenario from its first sample to its last.
pub fn run(scenario: &Scenario) -> Record {
    let policy = Policy {
        interfaces: scenario.policy.interfaces.iter().take(1).cloned().collect(),
        ..scenario.policy.clone()
    };
    let link = Link::new(&policy);
    let mut controller = Controller::new(&policy);
    let mut rates = controller.rates().first().cloned().unwrap_or_default();
    let sample_ns = scenario.sample_ns();
    // Bits since the beginning, times a billion.
    let mut counters = vec![(0_u128, 0_u128); policy.classes.len()];
    let mut record = Record::default();
    for (sample, offered) in scenario.demand.0.iter().enumerate() {
        if sample % SAMPLES_PER_INTERVAL == 0 {
            let now = u64::try_from(sample)
                .unwrap_or(u64::MAX)
                .saturating_mul(sample_ns);
            let observation = observation(now, &counters);
            carry_out(&controller.tick(&observation), &mut rates);
        }
        let passed = link.pass(offered, &rates);
        for ((counter, &offered), &passed) in counters.iter_mut().zip(offered).zip(&passed) {
            counter.0 += u128::from(passed) * u128::from(sample_ns);
            counter.1 += u128::from(offered.saturating_sub(passed)) * u128::from(sample_ns);
        }
        record.passed.push(passed);
        record.rates.push(rates.iter().map(|rate| rate.0).collect());
    }
    record
}

/// The counters as the controller reads them, in whole bytes.
fn observation(now: u64, counters: &[(u128, u128)]) -> Observation {
    let bytes = |bits: u128| u64::try_from(bits / 8_000_000_000).unwrap_or(u64::MAX);
    let cell = |&(passed, dropped): &(u128, u128)| CellCounters {
        passed_bytes: bytes(passed),
        dropped_bytes: bytes(dropped),
        ..CellCounters::default()
    };
    Observation {
        now: Nanoseconds(now),
        cells: vec![counters.iter().map(cell).collect()],
        ..Observation::default()
    }
}

fn carry_out(commands: &[Command], rates: &mut [BitsPerSecond]) {
    for command in commands {
        match *command {
            Command::SetRate { class, rate, .. } => {
                if let Some(in_force) = rates.get_mut(class) {
                    *in_force = rate;
                }
            }
            Command::MoveSlot { .. } | Command::SetCapacity { .. } => {}
        }
    }
}
