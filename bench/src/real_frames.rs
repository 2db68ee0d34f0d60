//! Real frames over a veth link: how many of them a receiver drops, and what one costs it.

use std::any::Any;

use anyhow::{Result, anyhow, ensure};
use ipnet::IpNet;
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Family, Filter, Header, IpVersion, filters, headers, prefixes};

use crate::harness::clock::now_ns;
use crate::harness::{DropAll, Flood, Link, Loaded, Nft, NftMatch, XdpFilter};
use crate::policies::{Then, of_filters, of_set, of_sources, on};
use crate::run::{Run, in_round, preparing, skipped};
use crate::sources::{hosts, inside};
use crate::stats::{median, ratio};

/// The case that all others are compared with.
const DROP_ALL: &str = "veth-drop-all";
/// Passes over all headers in one measurement: half a million frames.
const PASSES: u32 = 32;
/// How long a receiver may be kept from its work.
const PATIENCE_NS: u64 = 20_000_000_000;
/// The CPU that receives; this thread, which sends, is on the last one.
const RECEIVING_CPU: usize = 0;

/// A case: what comes, and what drops it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) dropper: Dropper,
    pub(crate) traffic: Traffic,
}

/// What drops the frames.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dropper {
    /// A program that looks at nothing.
    Everything,
    /// A program that looks at the source address and drops whatever it is.
    EverythingWithALook,
    /// StormBolt, by one rule with a set.
    Set,
    /// StormBolt, by many rules.
    Rules,
    /// nftables.
    Nft(NftMatch),
    /// xdp-filter, which knows addresses only.
    XdpFilter,
}

impl Dropper {
    /// What to install for it.
    const fn package(self) -> &'static str {
        match self {
            Self::Everything | Self::EverythingWithALook | Self::Set | Self::Rules => "StormBolt",
            Self::Nft(_) => "nftables",
            Self::XdpFilter => "xdp-tools",
        }
    }
}

/// What the frames have in common: they are to be dropped for it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Traffic {
    /// Sources in so many prefixes.
    Prefixes(usize),
    /// Sources that are so many addresses.
    Hosts(usize),
    /// So many filters of a router.
    Filters(usize),
}

/// Measures those of `cases` that are wanted, in turn.
///
/// # Errors
/// Frames come through that should be dropped, or the output cannot be written to.
pub(crate) fn measure(run: &mut Run<'_, '_>, cases: &[Case]) -> Result<()> {
    let drops_all = run.wants(DROP_ALL);
    let wanted: Vec<Case> = cases
        .iter()
        .filter(|case| run.wants(case.name))
        .copied()
        .collect();
    if !drops_all && wanted.is_empty() {
        return Ok(());
    }
    if run.cpus() < 2 {
        skipped("veth-", &anyhow!("sender and receiver need a CPU each"));
        return Ok(());
    }
    let all = Case {
        name: DROP_ALL,
        dropper: Dropper::Everything,
        traffic: Traffic::Prefixes(1000),
    };
    let mut subjects = Vec::new();
    for case in [all].into_iter().chain(wanted) {
        preparing(case.name);
        match Subject::prepare(case, run.seed()) {
            Ok(Some(mut subject)) => {
                // Brings everything into the caches, and sees that frames are dropped at all.
                subject.measure()?;
                subjects.push(subject);
            }
            Ok(None) => skipped(
                case.name,
                &anyhow!("{} is not installed", case.dropper.package()),
            ),
            // Without it, there is nothing to compare with.
            Err(error) if case.name == DROP_ALL => return Err(error),
            Err(error) => skipped(case.name, &error),
        }
    }
    rounds(run, &mut subjects)
}

/// Measures all that is ready, in turn, and reports the medians.
fn rounds(run: &mut Run<'_, '_>, subjects: &mut [Subject]) -> Result<()> {
    let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); subjects.len()];
    for round in 1..=run.rounds() {
        in_round(round, run.rounds());
        for (subject, measured) in subjects.iter_mut().zip(&mut measured) {
            measured.push(subject.measure()?);
        }
    }
    let most = measured.first().cloned().unwrap_or_default();
    for (subject, measured) in subjects.iter().zip(&measured) {
        let name = subject.case.name;
        let of =
            |value: fn(&Measured) -> f64| median(&measured.iter().map(value).collect::<Vec<_>>());
        let pairs = measured.iter().zip(&most);
        let relative: Vec<f64> = pairs.map(|(one, most)| one.rate / most.rate).collect();
        run.add(name, "cost", of(|one| one.cost_ns), "ns")?;
        run.add(name, "rate", of(|one| one.rate), "packets/s")?;
        run.add(name, "relative_to_drop_all", median(&relative), "ratio")?;
    }
    Ok(())
}

/// A case that is ready to be measured. Each has a link of its own, so that all are ready at once.
struct Subject {
    case: Case,
    /// Held for its drop, which comes before the link's.
    running: Running,
    flood: Flood,
    link: Link,
}

/// What drops frames, at work.
enum Running {
    /// StormBolt, which counts what meets its rules.
    StormBolt(Box<Loaded>),
    /// Another.
    Peer { _held: Box<dyn Any> },
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Time that the receiving thread ran for one frame, in nanoseconds.
    cost_ns: f64,
    /// Frames received and dropped per second.
    rate: f64,
}

impl Subject {
    /// Builds the link and loads what drops; none if that is not installed.
    fn prepare(case: Case, seed: u64) -> Result<Option<Self>> {
        let drawn = Drawn::new(case.traffic, seed);
        let link = Link::new(RECEIVING_CPU)?;
        let Some(running) = drawn.load(case.dropper, &link)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            case,
            running,
            flood: Flood::load(&drawn.headers, IpVersion::V4)?,
            link,
        }))
    }

    /// Sends the frames, again if hardly any arrives.
    ///
    /// There may be no receiver for a while: what earlier cases held, the kernel frees later, and
    /// nothing else runs on that CPU while it does.
    fn measure(&mut self) -> Result<Measured> {
        let deadline_ns = now_ns() + PATIENCE_NS;
        loop {
            if let Some(measured) = self.send()? {
                return Ok(measured);
            }
            let name = self.case.name;
            ensure!(now_ns() < deadline_ns, "{name}: no frames arrive");
        }
    }

    /// Sends the frames; none if hardly any arrives.
    fn send(&mut self) -> Result<Option<Measured>> {
        let name = self.case.name;
        let before = self.link.received()?;
        let begin_ns = now_ns();
        let sent = self.flood.send(&self.link, PASSES)?;
        let elapsed_ns = now_ns() - begin_ns;
        let received = self.link.received()?.since(before);
        let frames = received.frames;
        if frames * 1000 < sent {
            return Ok(None);
        }
        ensure!(
            received.by_ip * 1000 < frames,
            "{name}: {} of {frames} frames were not dropped",
            received.by_ip,
        );
        if let Running::StormBolt(engine) = &self.running {
            let packets = engine.packets();
            let matched: u64 = packets.by_rule.iter().sum();
            // A few more come: the kernel announces itself on a new link.
            ensure!(
                (packets.received - matched) * 1000 < packets.received,
                "{name}: of {} packets only {matched} met a rule",
                packets.received
            );
        }
        Ok(Some(Measured {
            cost_ns: ratio(received.thread_ns, frames),
            rate: ratio(frames, elapsed_ns) * 1e9,
        }))
    }
}

/// Headers, and what they have in common.
struct Drawn {
    prefixes: Vec<IpNet>,
    filters: Vec<Filter>,
    headers: Vec<Header>,
}

impl Drawn {
    fn new(traffic: Traffic, seed: u64) -> Self {
        const VERSION: IpVersion = IpVersion::V4;
        let of_sources = |prefixes: Vec<IpNet>| Self {
            headers: inside(&prefixes, VERSION, seed),
            filters: Vec::new(),
            prefixes,
        };
        match traffic {
            Traffic::Prefixes(count) => of_sources(prefixes(VERSION, count, seed)),
            Traffic::Hosts(count) => of_sources(hosts(&prefixes(VERSION, count, seed))),
            Traffic::Filters(count) => {
                let filters = filters(Family::Acl, VERSION, count, seed);
                let wanted = usize::try_from(BENCH_HEADERS).unwrap_or(0);
                Self {
                    headers: headers(&filters, wanted, seed),
                    filters,
                    prefixes: Vec::new(),
                }
            }
        }
    }

    /// Loads what drops such frames at the link's receiving end; none if that is not installed.
    fn load(&self, dropper: Dropper, link: &Link) -> Result<Option<Running>> {
        let stormbolt = |policy| -> Result<_> {
            let policy = on(policy, link.name());
            let loaded = Loaded::start_in(link.host().clone(), policy)?;
            Ok(Some(Running::StormBolt(Box::new(loaded))))
        };
        match dropper {
            Dropper::Everything => Ok(Some(peer(DropAll::attach(link)?))),
            Dropper::EverythingWithALook => Ok(Some(peer(DropAll::attach_with_a_look(link)?))),
            Dropper::Set => stormbolt(of_set(&self.prefixes, Then::Drop, Then::Pass)),
            Dropper::Rules if self.filters.is_empty() => {
                stormbolt(of_sources(&self.prefixes, Then::Drop))
            }
            Dropper::Rules => stormbolt(of_filters(&self.filters, Then::Drop)),
            Dropper::Nft(how) => Ok(Nft::load(link, &self.prefixes, how)?.map(peer)),
            Dropper::XdpFilter => {
                let sources: Vec<_> = self.prefixes.iter().map(IpNet::network).collect();
                let Some(mut filter) = XdpFilter::load(&sources)? else {
                    return Ok(None);
                };
                filter.attach(link)?;
                Ok(Some(peer(filter)))
            }
        }
    }
}

fn peer(held: impl Any) -> Running {
    Running::Peer {
        _held: Box::new(held),
    }
}
