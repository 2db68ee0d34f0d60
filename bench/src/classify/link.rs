//! Real frames over a veth link: what dropping one costs the receiver, beside nftables.

use std::any::Any;

use anyhow::{Result, ensure};
use ipnet::IpNet;
use xtask::rulesets::{IpVersion, prefixes};

use super::sources::inside;
use super::{Options, line, skipped};
use crate::harness::{DropAll, Flood, Link, Loaded, Nft, NftMatch};
use crate::policies::{Then, of_set, of_sources, on};
use crate::report::Report;
use crate::stats::{median, ratio};

/// What all others are compared with.
const DROP_ALL: &str = "veth-drop-all";
/// Passes over all headers in one measurement: half a million frames.
const PASSES: u32 = 32;
/// The CPU that receives; this thread, which sends, is on the last one.
const RECEIVING_CPU: usize = 0;

/// What drops the frames.
#[derive(Clone, Copy, Debug)]
enum Dropper {
    /// A program that looks at nothing.
    Everything,
    /// StormBolt, by one rule with a set.
    Set,
    /// StormBolt, by one rule for each prefix.
    Rules,
    /// nftables.
    Nft(NftMatch),
}

/// The cases: name, who drops, and by how many prefixes.
const CASES: [(&str, Dropper, usize); 7] = [
    (DROP_ALL, Dropper::Everything, 1000),
    ("veth-set-1k", Dropper::Set, 1000),
    ("veth-set-100k", Dropper::Set, 100_000),
    ("veth-rules-1k", Dropper::Rules, 1000),
    ("peer-nft-set-1k", Dropper::Nft(NftMatch::Set), 1000),
    ("peer-nft-set-100k", Dropper::Nft(NftMatch::Set), 100_000),
    ("peer-nft-linear-1k", Dropper::Nft(NftMatch::Linear), 1000),
];

/// A case that is ready to be measured. Each has a link of its own, so that all are ready at once.
struct Case {
    name: &'static str,
    /// Held for its drop, which comes before the link's.
    _dropper: Box<dyn Any>,
    flood: Flood,
    link: Link,
    cost_ns: Vec<f64>,
}

/// Measures all cases, in turn, on a machine with `cpus` CPUs.
pub(super) fn run(options: &Options, cpus: usize, report: &mut Report<'_>) -> Result<()> {
    let wanted = |name: &str| options.wants(name);
    if !CASES.iter().any(|(name, ..)| wanted(name)) {
        return Ok(());
    }
    if cpus < 2 {
        skipped(
            "veth-",
            &anyhow::anyhow!("sender and receiver need a CPU each"),
        );
        return Ok(());
    }
    let mut cases = Vec::new();
    for (name, dropper, count) in CASES {
        // Everything is relative to this one.
        if name != DROP_ALL && !wanted(name) {
            continue;
        }
        eprintln!("preparing {name}");
        match Case::prepare(name, dropper, count, options.seed) {
            Ok(Some(case)) => cases.push(case),
            Ok(None) => skipped(name, &anyhow::anyhow!("nftables is not installed")),
            Err(error) => skipped(name, &error),
        }
    }
    for round in 1..=options.rounds {
        eprint!("\rround {round} of {}", options.rounds);
        for case in &mut cases {
            let cost = case.measure()?;
            case.cost_ns.push(cost);
        }
    }
    eprintln!();
    let everything = cases.iter().find(|case| case.name == DROP_ALL);
    let everything = everything.map_or(Vec::new(), |case| case.cost_ns.clone());
    for case in &cases {
        let pairs = everything.iter().zip(&case.cost_ns);
        let relative: Vec<f64> = pairs.map(|(least, cost)| least / cost).collect();
        report.add(line(case.name, "cost", median(&case.cost_ns), "ns"))?;
        report.add(line(
            case.name,
            "relative_to_drop_all",
            median(&relative),
            "ratio",
        ))?;
    }
    Ok(())
}

impl Case {
    /// Builds the link and loads what drops; none if that is not installed.
    fn prepare(
        name: &'static str,
        dropper: Dropper,
        count: usize,
        seed: u64,
    ) -> Result<Option<Self>> {
        let set = prefixes(IpVersion::V4, count, seed);
        let link = Link::new(RECEIVING_CPU)?;
        let Some(loaded) = load(dropper, &set, &link)? else {
            return Ok(None);
        };
        let mut case = Self {
            name,
            _dropper: loaded,
            flood: Flood::load(&inside(&set, IpVersion::V4, seed), IpVersion::V4)?,
            link,
            cost_ns: Vec::new(),
        };
        // Brings everything into the caches, and says that the frames are dropped at all.
        case.measure()?;
        Ok(Some(case))
    }

    /// What a frame costs the receiver, in nanoseconds.
    fn measure(&mut self) -> Result<f64> {
        let before = self.link.received()?;
        let sent = self.flood.send(&self.link, PASSES)?;
        let received = self.link.received()?.since(before);
        ensure!(
            received.frames * 1000 > sent,
            "{}: no frames arrive",
            self.name
        );
        ensure!(
            received.by_ip * 1000 < received.frames,
            "{}: {} of {} frames were not dropped",
            self.name,
            received.by_ip,
            received.frames
        );
        Ok(ratio(received.thread_ns, received.frames))
    }
}

/// Loads what drops frames from the sources in `set`.
fn load(dropper: Dropper, set: &[IpNet], link: &Link) -> Result<Option<Box<dyn Any>>> {
    let stormbolt = |policy| -> Result<Box<dyn Any>> {
        let policy = on(policy, link.name());
        Ok(Box::new(Loaded::start_in(link.host().clone(), policy)?))
    };
    Ok(match dropper {
        Dropper::Everything => Some(Box::new(DropAll::attach(link)?)),
        Dropper::Set => Some(stormbolt(of_set(set, Then::Drop, Then::Pass))?),
        Dropper::Rules => Some(stormbolt(of_sources(set, Then::Drop))?),
        Dropper::Nft(how) => match Nft::load(link, set, how)? {
            Some(nft) => Some(Box::new(nft)),
            None => None,
        },
    })
}
