//! A flood of the lowest class, and what it costs the highest one, which sends within its guarantee.
//!
//! All of it comes over one link and is received by one CPU. What that CPU is too slow for is lost at the link,
//! whoever's it is: the sooner the flood is dropped, the less.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Result, anyhow, bail, ensure};
use stormbolt::datapath::{Flood, FloodFrames};
use stormbolt::lab::clock::{MILLISECOND_NS, SECOND_NS, sleep_until};
use stormbolt::lab::traffic::{UdpRequestOptions, UdpRequests};
use stormbolt_common::generator::GeneratorSettings;
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use crate::frames::{SOURCE_PORT, udp_frame};
use crate::harness::clock::now_ns;
use crate::harness::{Awake, Link, Loaded, Nft};
use crate::policies::{on, with_priority_for};
use crate::run::{Run, in_round, preparing, skipped};
use crate::stats::{median, ratio};

/// The CPU that receives; all others send and serve.
const RECEIVING_CPU: usize = 0;
const SENDING: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const RECEIVING: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// Of the highest class, and of the flood.
const PRIORITY_PORT: u16 = 9000;
const FLOOD_PORT: u16 = 7000;
/// What the interface carries. Half of it is the guarantee of the highest class, which sends 4 Mbit/s.
const CAPACITY: u64 = 20_000_000;
const REQUESTS_PER_SECOND: u64 = 3000;
/// Between two frames of a flood that takes all that a core has: three million of them a second, 72 times the capacity.
const FULL_FLOOD_INTERVAL_NS: u32 = 325;
/// Between two frames of one that is eleven times the capacity.
const TEN_TIMES_INTERVAL_NS: u32 = 2_200;
const FLOOD_FLOWS: u32 = 1024;
const FRAMES_PER_CALL: u32 = 2_000_000;
/// The flood is at least so many times the capacity.
const FLOOD_OVER_CAPACITY: f64 = 10.0;
const SETTLING_TICKS: u32 = 5;
const MEASURED_TICKS: u32 = 20;
const TICK_NS: u64 = SECOND_NS / 10;
const PATIENCE_NS: u64 = 20 * SECOND_NS;
const ATTEMPTS: u32 = 5;

/// What stands between the flood and the host.
#[derive(Clone, Copy)]
enum Guard {
    StormBolt,
    Nothing,
    NftLimit,
}

/// A guard against a flood.
struct Case {
    name: &'static str,
    guard: Guard,
    /// Between two frames.
    interval_ns: u32,
}

impl Case {
    const ALL: [Self; 6] = [
        Self::full("priority-under-flood", Guard::StormBolt),
        Self::full("peer-none", Guard::Nothing),
        Self::full("peer-nft-limit", Guard::NftLimit),
        Self::ten_times("priority-under-ten-times", Guard::StormBolt),
        Self::ten_times("peer-none-ten-times", Guard::Nothing),
        Self::ten_times("peer-nft-limit-ten-times", Guard::NftLimit),
    ];

    const fn full(name: &'static str, guard: Guard) -> Self {
        Self {
            name,
            guard,
            interval_ns: FULL_FLOOD_INTERVAL_NS,
        }
    }

    const fn ten_times(name: &'static str, guard: Guard) -> Self {
        Self {
            name,
            guard,
            interval_ns: TEN_TIMES_INTERVAL_NS,
        }
    }
}

/// A guard at work, until it is dropped.
enum Running {
    StormBolt(Box<Loaded>),
    Peer { _held: Option<Box<dyn Any>> },
}

impl Running {
    /// Starts a guard at the link's receiving end; none if it is not installed.
    fn start(guard: Guard, link: &Link) -> Result<Option<Self>> {
        match guard {
            Guard::StormBolt => {
                let policy = with_priority_for(PRIORITY_PORT, BitsPerSecond(CAPACITY));
                let policy = on(policy, link.name());
                let loaded = Loaded::start_in(link.host().clone(), policy)?;
                Ok(Some(Self::StormBolt(Box::new(loaded))))
            }
            Guard::Nothing => Ok(Some(Self::Peer { _held: None })),
            Guard::NftLimit => {
                let limit = Nft::limit_all_but(link, PRIORITY_PORT, CAPACITY / 8)?;
                Ok(limit.map(|limit| Self::Peer {
                    _held: Some(Box::new(limit)),
                }))
            }
        }
    }

    /// So many intervals of the control line, if there is one.
    fn go_on(&mut self, ticks: u32) {
        for _ in 0..ticks {
            sleep_until(now_ns() + TICK_NS);
            if let Self::StormBolt(engine) = self {
                engine.tick(Nanoseconds(now_ns()));
            }
        }
    }

    /// Packets of the highest class that the guard itself has dropped, as far as it tells.
    fn dropped(&self) -> Option<u64> {
        match self {
            Self::StormBolt(engine) => engine.dropped_by_class().first().copied(),
            Self::Peer { .. } => None,
        }
    }
}

/// One measurement.
struct Measured {
    /// Requests of the highest class that did not arrive, of those that were sent.
    loss: f64,
    /// Those that the guard dropped, of those that were sent, as far as it tells: the others were lost at the link.
    policed_loss: Option<f64>,
    /// Frames of the flood, a second.
    flood: f64,
    /// 99 in a hundred replies were there sooner, in µs.
    round_trip_p99: f64,
}

pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    let cases = Case::ALL.into_iter().filter(|case| run.wants(case.name));
    let mut wanted: Vec<(Case, Vec<Measured>)> = cases.map(|one| (one, Vec::new())).collect();
    let Some((first, _)) = wanted.first() else {
        return Ok(());
    };
    if run.cpus() < 2 {
        skipped(first.name, &anyhow!("the flood needs a CPU of its own"));
        return Ok(());
    }
    preparing(first.name);
    let _awake = Awake::keep(RECEIVING_CPU)?;
    for round in 1..=run.rounds() {
        in_round(round, run.rounds());
        for (case, measured) in &mut wanted {
            measured.extend(once(case)?);
        }
    }
    for (case, measured) in &wanted {
        let case = case.name;
        if measured.is_empty() {
            skipped(case, &anyhow!("it is not installed"));
            continue;
        }
        let of =
            |value: fn(&Measured) -> f64| median(&measured.iter().map(value).collect::<Vec<_>>());
        run.add(case, "loss", of(|one| one.loss), "ratio")?;
        let policed: Vec<_> = measured.iter().filter_map(|one| one.policed_loss).collect();
        if !policed.is_empty() {
            run.add(case, "policed_loss", median(&policed), "ratio")?;
        }
        run.add(case, "flood", of(|one| one.flood), "packets/s")?;
        run.add(case, "round_trip_p99", of(|one| one.round_trip_p99), "us")?;
    }
    Ok(())
}

/// Measures on a link of its own, again if the flood was none; `None`: the guard is not installed.
fn once(case: &Case) -> Result<Option<Measured>> {
    let frame_bits = ratio(u64::try_from(frame([0; 6], [0; 6]).len())? * 8, 1);
    let mut most = 0.0_f64;
    for _ in 0..ATTEMPTS {
        let Some(measured) = attempt(case)? else {
            return Ok(None);
        };
        if measured.flood * frame_bits >= FLOOD_OVER_CAPACITY * ratio(CAPACITY, 1) {
            return Ok(Some(measured));
        }
        most = most.max(measured.flood);
    }
    bail!(
        "{}: a flood of {most:.0} packets/s is none, this machine is too busy",
        case.name
    )
}

fn attempt(case: &Case) -> Result<Option<Measured>> {
    let link = Link::new(RECEIVING_CPU)?;
    link.give_addresses(SENDING.into(), RECEIVING.into())?;
    let Some(mut running) = Running::start(case.guard, &link)? else {
        return Ok(None);
    };
    let address = |address: Ipv4Addr, port| SocketAddr::new(IpAddr::V4(address), port);
    // Takes what passes of the flood, and is never read.
    let bulk = address(RECEIVING, FLOOD_PORT);
    let _bulk = link.host().run(|| UdpSocket::bind(bulk))??;
    let options = UdpRequestOptions {
        per_second: REQUESTS_PER_SECOND,
        ..UdpRequestOptions::new(address(SENDING, 0), address(RECEIVING, PRIORITY_PORT))
    };
    let requests = UdpRequests::start(link.senders(), link.host(), &options)?;
    let settings = GeneratorSettings {
        flows: FLOOD_FLOWS,
        first_port: 20_000,
        port_offset: SOURCE_PORT,
        interval_ns: case.interval_ns,
        ..GeneratorSettings::default()
    };
    let frames = FloodFrames {
        template: frame(link.receiving().mac().0, link.sending().mac().0),
        settings,
    };
    let mut flood = Flood::load(link.sending_ifindex(), &frames)?;
    let report = flood.reporter()?;
    let is_over = AtomicBool::new(false);
    let flood_on = || {
        let sent = link.senders().run(|| {
            while !is_over.load(Ordering::Relaxed) {
                flood.send(FRAMES_PER_CALL)?;
            }
            anyhow::Ok(())
        });
        sent?
    };
    thread::scope(|scope| {
        let flooding = scope.spawn(flood_on);
        let measured = watch(&mut running, &requests, &|| report().frames);
        is_over.store(true, Ordering::Relaxed);
        flooding.join().map_err(|_| anyhow!("the flood ended"))??;
        measured.map(Some)
    })
}

/// Measures once the flood has begun.
fn watch(
    running: &mut Running,
    requests: &UdpRequests,
    flood_frames: &dyn Fn() -> u64,
) -> Result<Measured> {
    let deadline_ns = now_ns() + PATIENCE_NS;
    while flood_frames() == 0 {
        ensure!(now_ns() < deadline_ns, "the flood does not begin");
        sleep_until(now_ns() + MILLISECOND_NS);
    }
    running.go_on(SETTLING_TICKS);
    drop(requests.take_snapshot());
    let dropped_before = running.dropped();
    let (frames_before, before_ns) = (flood_frames(), now_ns());
    running.go_on(MEASURED_TICKS);
    let (frames, after_ns) = (flood_frames() - frames_before, now_ns());
    let dropped = running.dropped();
    let seen = requests.take_snapshot();
    ensure!(seen.sent > 0, "no requests were sent");
    let policed_loss = dropped
        .zip(dropped_before)
        .map(|(now, before)| ratio(now - before, seen.sent));
    Ok(Measured {
        policed_loss,
        loss: ratio(seen.lost_on_the_way(), seen.sent),
        flood: ratio(frames, after_ns - before_ns) * 1e9,
        round_trip_p99: ratio(seen.round_trip_percentile_ns(99.0).unwrap_or(0), 1000),
    })
}

/// A frame of the flood.
fn frame(to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    udp_frame(
        to,
        from,
        SocketAddrV4::new(SENDING, 20_000),
        SocketAddrV4::new(RECEIVING, FLOOD_PORT),
    )
}
