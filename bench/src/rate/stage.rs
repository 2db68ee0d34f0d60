//! What policing and counting its class cost a packet: the same program with rules that put packets into a
//! class, and with rules that pass them.

use std::sync::Barrier;

use anyhow::{Context as _, Result, anyhow};
use stormbolt::lab;
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Family, Header, IpVersion, filters, headers};

use crate::harness::{Flows, Front, Loaded, WHOLE_PROGRAM};
use crate::policies::{Then, of_filters};
use crate::run::{Run, in_round, preparing, skipped};
use crate::stats::median;

const ONE_CPU: &str = "police-stage";
const TWO_CPUS: &str = "police-stage-2cpu";
/// Up to 16 rules: no flow is remembered, so that nothing but the stage differs.
const RULES: usize = 10;

pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    let (one, two) = (run.wants(ONE_CPU), run.wants(TWO_CPUS));
    if !one && !two {
        return Ok(());
    }
    preparing(ONE_CPU);
    let filters = filters(Family::Acl, IpVersion::V4, RULES, run.seed());
    let headers = headers(&filters, usize::try_from(BENCH_HEADERS)?, run.seed());
    let with = Loaded::start(of_filters(&filters, Then::Police))?;
    let without = Loaded::start(of_filters(&filters, Then::Pass))?;
    if one {
        let mut fronts = fronts(&headers, 1)?;
        let cost = cost(run, &mut fronts, [&with, &without])?;
        run.add(ONE_CPU, "cost", cost, "ns")?;
    }
    if two && run.cpus() < 2 {
        skipped(TWO_CPUS, &anyhow!("this machine has one CPU"));
    } else if two {
        let mut fronts = fronts(&headers, 2)?;
        let cost = cost(run, &mut fronts, [&with, &without])?;
        run.add(TWO_CPUS, "cost", cost, "ns")?;
    }
    Ok(())
}

fn fronts(headers: &[Header], count: usize) -> Result<Vec<Front>> {
    (0..count)
        .map(|_| Front::load(headers, IpVersion::V4))
        .collect()
}

/// Median over the rounds of what the first engine takes more than the second one, on as many CPUs at
/// once as there are fronts.
fn cost(run: &Run<'_, '_>, fronts: &mut [Front], engines: [&Loaded; 2]) -> Result<f64> {
    let mut costs = Vec::new();
    for round in 1..=run.rounds() {
        in_round(round, run.rounds());
        let [with, without] = engines;
        costs.push(time(fronts, with, run.cpus())? - time(fronts, without, run.cpus())?);
    }
    Ok(median(&costs))
}

/// Time of one packet, in nanoseconds: the mean over the CPUs, which begin together. The last front runs
/// on the last CPU.
fn time(fronts: &mut [Front], engine: &Loaded, cpus: usize) -> Result<f64> {
    let barrier = Barrier::new(fronts.len());
    let program = engine.program(WHOLE_PROGRAM)?;
    let count = fronts.len();
    let times = std::thread::scope(|scope| {
        let on_cpu = |(number, front): (usize, &mut Front)| -> Result<f64> {
            let kept = lab::keep_to([cpus - count + number]);
            // Whoever fails must not keep the others waiting.
            barrier.wait();
            kept.context("cannot stay on one CPU")?;
            front.time(program, Flows::Known)
        };
        let threads: Vec<_> = fronts
            .iter_mut()
            .enumerate()
            .map(|one| scope.spawn(move || on_cpu(one)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .map_err(|_| anyhow!("a measuring thread ended"))?
            })
            .collect::<Result<Vec<f64>>>()
    })?;
    Ok(times.iter().sum::<f64>() / f64::from(u32::try_from(count)?))
}
