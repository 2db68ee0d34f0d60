//! The benchmark `tick`: what one interval of the control line takes the daemon, from the counters in the kernel's
//! memory to the rates in it.
//!
//! All classes send, more than the interface carries, and want something else in every interval, so that
//! nearly every rate is written anew. The counters are those of as many CPUs as the case says: the tables are
//! made for so many, and all of them have counted since the last tick. They are written on the first CPU and
//! read on the last one, whose caches do not have them.

use anyhow::{Result, ensure};
use stormbolt::lab;
use stormbolt_common::counters::{ClassCell, Refusals};
use stormbolt_common::limits::SLOTS_PER_CPU_SET;
use stormbolt_control::units::Nanoseconds;

use crate::harness::clock::{now_ns, thread_time_ns};
use crate::harness::{Counters, Loaded};
use crate::policies::with_classes_that_compete;
use crate::run::{Benchmark, Run, in_round, preparing, skipped};
use crate::stats::{percentile, ratio};

/// Measures ticks of the controller.
pub const TICK: Benchmark = Benchmark::new("tick", measure);

const CAPACITY: u64 = 400_000_000_000;
const INTERVAL: Nanoseconds = Nanoseconds::from_millis(100);
/// Ticks before the first that is measured: the first has nothing to compare its counters with.
const WARM_UP: u64 = 3;
/// Bytes of a packet that is counted.
const PACKET_BYTES: u64 = 1000;

/// A case.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    classes: u32,
    /// CPUs that count; zero: those of this machine.
    cpus: u32,
    /// How many ticks a round has.
    ticks: u64,
}

const CASES: [Case; 2] = [
    Case {
        name: "1000-classes-64-cpus",
        classes: 1000,
        cpus: 64,
        ticks: 60,
    },
    Case {
        name: "100000-classes",
        classes: 100_000,
        cpus: 0,
        ticks: 12,
    },
];

fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    for case in CASES {
        if !run.wants(case.name) {
            continue;
        }
        preparing(case.name);
        let policy = with_classes_that_compete(case.classes, CAPACITY, INTERVAL, run.cpus());
        match Loaded::start_for_cpus(policy, case.cpus) {
            Ok(engine) => Subject::new(case, engine, run.cpus())?.measure(run)?,
            Err(error) => skipped(case.name, &error),
        }
    }
    Ok(())
}

/// StormBolt, and what its program would have counted.
struct Subject {
    case: Case,
    engine: Loaded,
    counters: Counters,
    /// By CPU and class.
    cells: Vec<Vec<(ClassCell, Refusals)>>,
    /// CPU that ticks; the first one counts.
    last_cpu: usize,
    now: Nanoseconds,
    ticks: u64,
}

impl Subject {
    fn new(case: Case, engine: Loaded, cpus: usize) -> Result<Self> {
        let counters = engine.counters()?;
        ensure!(
            counters.cpus() >= case.cpus,
            "{}: there are counters for {} CPUs only",
            case.name,
            counters.cpus()
        );
        let of_class = (ClassCell::default(), Refusals::default());
        let of_cpu = vec![of_class; usize::try_from(case.classes)?];
        Ok(Self {
            case,
            cells: vec![of_cpu; usize::try_from(counters.cpus())?],
            counters,
            engine,
            last_cpu: cpus.saturating_sub(1),
            now: Nanoseconds(now_ns()),
            ticks: 0,
        })
    }

    fn measure(&mut self, run: &mut Run<'_, '_>) -> Result<()> {
        for _ in 0..WARM_UP {
            self.tick()?;
        }
        let before = self.engine.rates();
        self.tick()?;
        let after = self.engine.rates();
        let changed = before
            .iter()
            .zip(&after)
            .filter(|(one, other)| one != other);
        let (changed, all) = (changed.count(), after.len());
        ensure!(
            changed * 10 >= all * 9,
            "{}: only {changed} of {all} rates change in a tick",
            self.case.name
        );
        let mut times = Vec::new();
        for round in 1..=run.rounds() {
            in_round(round, run.rounds());
            for _ in 0..self.case.ticks {
                times.push(ratio(self.tick()?, 1000));
            }
        }
        run.add(self.case.name, "p50", percentile(&times, 50), "us")?;
        run.add(self.case.name, "p99", percentile(&times, 99), "us")
    }

    /// One interval: all CPUs count, then the controller ticks. Time that the tick took, in ns.
    fn tick(&mut self) -> Result<u64> {
        lab::keep_to([0])?;
        self.count()?;
        lab::keep_to([self.last_cpu])?;
        self.now.0 += INTERVAL.0;
        let before_ns = thread_time_ns();
        self.engine.tick(self.now);
        Ok(thread_time_ns() - before_ns)
    }

    /// What an interval's traffic adds to the counters, without a pattern: up to three times as much as a
    /// class could have if all had the same, and most of it dropped.
    fn count(&mut self) -> Result<()> {
        self.ticks += 1;
        let cpus = u64::try_from(self.cells.len())?;
        let intervals_a_second = 1_000_000_000 / INTERVAL.0;
        let fair = CAPACITY / 8 / intervals_a_second / u64::from(self.case.classes) / cpus;
        for (cpu, cells) in (0..).zip(&mut self.cells) {
            for (class, (cell, refusals)) in (0..).zip(cells.iter_mut()) {
                let noise = (u64::from(class) * 7_919 + self.ticks * 104_729) % 1_000;
                add(
                    &mut cell.passed_packets,
                    &mut cell.passed_bytes,
                    fair * noise / 1_000,
                );
                let dropped = fair * 2 * (noise * 31 % 1_000) / 1_000;
                add(
                    &mut refusals.dropped_packets,
                    &mut refusals.dropped_bytes,
                    dropped,
                );
                self.counters.set_class(cpu, class, *cell, *refusals)?;
            }
            for slot in 0..SLOTS_PER_CPU_SET {
                self.counters
                    .set_slot(cpu, slot, self.ticks * u64::from(slot % 7))?;
            }
        }
        Ok(())
    }
}

fn add(packets: &mut u64, bytes: &mut u64, more: u64) {
    *packets += more / PACKET_BYTES;
    *bytes += more;
}
