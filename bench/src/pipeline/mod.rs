//! The benchmark `pipeline`: the way of a packet through all stages.

mod priority;

use anyhow::{Result, ensure};
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Family, IpVersion, filters, headers};

use crate::harness::Loaded;
use crate::peers::{XDP_FILTER, add_xdp_filter};
use crate::policies::{Then, of_filters};
use crate::real_frames::{self, Case, Dropper, Traffic};
use crate::rounds::{self, Meets, NEW_FLOWS, OVER_EMPTY, Subject};
use crate::run::{Benchmark, Run, preparing};

/// Measures the whole program: with a thousand rules, and under a flood.
pub const PIPELINE: Benchmark = Benchmark::new("pipeline", measure);

const FULL: &str = "full-1k-rules";
const RULES: usize = 1000;

fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    every_stage(run)?;
    let with_a_look = Case {
        name: "veth-drop-all-with-a-look",
        dropper: Dropper::EverythingWithALook,
        traffic: Traffic::Filters(RULES),
    };
    let by_rules = Case {
        name: "veth-drop-1k-rules",
        dropper: Dropper::Rules,
        traffic: Traffic::Filters(RULES),
    };
    real_frames::measure(run, &[with_a_look, by_rules])?;
    priority::measure(run)
}

/// Random flows, of which each meets a rule that puts it into a class that is spread over all CPUs.
fn every_stage(run: &mut Run<'_, '_>) -> Result<()> {
    let (full, peer) = (run.wants(FULL), run.wants(XDP_FILTER));
    if !full && !peer {
        return Ok(());
    }
    preparing(FULL);
    let filters = filters(Family::Acl, IpVersion::V4, RULES, run.seed());
    let headers = headers(&filters, usize::try_from(BENCH_HEADERS)?, run.seed());
    let mut subject = Subject::new(&headers, IpVersion::V4)?;
    if full {
        let engine = Loaded::start(of_filters(&filters, Then::Steer(run.cpus())))?;
        let packets = subject.add(FULL, engine, &[OVER_EMPTY, NEW_FLOWS], Meets::Rules)?;
        // A flow whose slot is this CPU's stays: of two CPUs, half of the flows.
        ensure!(
            run.cpus() < 2 || packets.steered > 0,
            "{FULL}: no packet was steered to another CPU"
        );
    }
    if peer {
        add_xdp_filter(&mut subject, &headers)?;
    }
    rounds::measure(run, &mut [subject])
}
