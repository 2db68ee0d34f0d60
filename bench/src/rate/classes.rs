//! What many classes cost a packet: the whole path with a thousand of them, and with a hundred thousand.
//!
//! Both have the same 100,000 rules, one for each subscriber's prefix, and the same 16,384 flows of random
//! subscribers; so they differ by the tables of the classes alone, of which few or many entries are in use.

use anyhow::{Result, ensure};
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{IpVersion, prefixes};

use crate::harness::Loaded;
use crate::policies::of_subscribers;
use crate::rounds::{self, Meets, OVER_EMPTY, Subject};
use crate::run::{Run, preparing, skipped};
use crate::sources::inside;

/// Rules, one for each subscriber.
const SUBSCRIBERS: usize = 100_000;

const CASES: [(&str, u32); 2] = [("classes-1k", 1000), ("classes-100k", 100_000)];

pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    let wanted: Vec<_> = CASES
        .into_iter()
        .filter(|(name, _)| run.wants(name))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let subscribers = prefixes(IpVersion::V4, SUBSCRIBERS, run.seed());
    let headers = inside(&subscribers, IpVersion::V4, run.seed());
    let mut subject = Subject::new(&headers, IpVersion::V4)?;
    for (name, classes) in wanted {
        preparing(name);
        let policy = of_subscribers(&subscribers, classes, run.cpus());
        match Loaded::start(policy) {
            Ok(engine) => {
                let packets = subject.add(name, engine, &[OVER_EMPTY], Meets::Rules)?;
                ensure!(
                    run.cpus() < 2 || packets.steered > 0,
                    "{name}: of {BENCH_HEADERS} packets none was steered to another CPU"
                );
            }
            Err(error) => skipped(name, &error),
        }
    }
    rounds::measure(run, &mut [subject])
}
