//! The demo's results: one JSON document, and the checks that decide about the exit code.

use serde::Serialize;

use super::flood::FRAME_BYTES;
use super::measure::Reading;
use super::phase::Stage;
use super::scene::{MODEST_PAYLOAD, REQUEST_BYTES, WEB_BITS_PER_SECOND, WEB_STREAMS};
use crate::lab::traffic::{RequestSnapshot, UDP_OVERHEAD_BYTES};

/// Loss that a guarantee allows, as a share of what the critical class offers.
const ALLOWED_LOSS: f64 = 0.02;

/// The whole demo.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// Version of this document.
    pub version: u32,
    /// Whether the guarantee held under the flood and after the change of policy.
    pub ok: bool,
    /// How the program was attached: `native` or `generic`.
    pub mode: String,
    /// The phases in order.
    pub phases: Vec<PhaseReport>,
    /// Everything that was checked; `ok` is about the first two.
    pub checks: Vec<Check>,
}

/// Something that should hold.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What should hold.
    pub name: String,
    /// Whether it did.
    pub held: bool,
    /// The figures.
    pub detail: String,
}

/// One phase.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseReport {
    /// `everybody-fits`, `flood`, `policy-changed` or `detached`.
    pub name: &'static str,
    /// How long was measured.
    pub seconds: f64,
    /// Frames that the flood sent, per second.
    pub flood_packets_per_second: u64,
    /// The classes.
    pub classes: Vec<ClassReport>,
    /// The critical class, seen from its client and server.
    pub critical: CriticalReport,
    /// Round trips of the critical class's requests.
    pub latency_us: Latency,
    /// The CPUs.
    pub cpus: Vec<CpuReport>,
    #[serde(skip)]
    mode: Option<String>,
}

/// One class in one phase. Without StormBolt the figures are those of senders and receivers.
#[derive(Clone, Debug, Serialize)]
pub struct ClassReport {
    /// Its name.
    pub name: String,
    /// What arrived for it, in bit/s at layer 2.
    pub offered_bps: u64,
    /// What passed.
    pub passed_bps: u64,
    /// Packets that did not pass; `null` where nobody counts them.
    pub dropped_packets: Option<u64>,
    /// The rate in force at the end of the phase; `null` without StormBolt.
    pub rate_bps: Option<u64>,
}

/// The critical class's requests, end to end.
#[derive(Clone, Debug, Serialize)]
pub struct CriticalReport {
    /// Requests sent.
    pub sent: u64,
    /// Requests that reached the server.
    pub received: u64,
    /// Requests answered within 200 ms.
    pub replied: u64,
    /// Share of the requests that did not reach the server.
    pub loss: f64,
}

/// Percentiles of a time.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Half are faster.
    pub p50: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
}

/// One CPU.
#[derive(Clone, Debug, Serialize)]
pub struct CpuReport {
    /// Its number.
    pub cpu: usize,
    /// Share of the time that it was busy.
    pub busy_percent: f64,
    /// Packets per second that the program saw on it; `null` without StormBolt.
    pub received_packets_per_second: Option<u64>,
    /// Slots that lead to it; `null` without StormBolt.
    pub slots: Option<usize>,
}

impl PhaseReport {
    /// What happened between two readings.
    pub(super) fn of(
        stage: Stage,
        before: &Reading,
        after: &Reading,
        requests: &RequestSnapshot,
    ) -> Self {
        let percentile = |percentile| {
            requests
                .round_trip_percentile_ns(percentile)
                .map_or(0.0, |time| ratio(time, 1000))
        };
        let span_ns = after.at_ns.saturating_sub(before.at_ns).max(1);
        Self {
            name: stage.name(),
            seconds: ratio(span_ns, 1_000_000_000),
            flood_packets_per_second: per_second(after.flood_frames - before.flood_frames, span_ns),
            classes: classes(before, after, span_ns),
            critical: CriticalReport {
                sent: requests.sent,
                received: requests.received,
                replied: requests.replied,
                loss: ratio(requests.lost_on_the_way(), requests.sent.max(1)),
            },
            latency_us: Latency {
                p50: percentile(50.0),
                p99: percentile(99.0),
            },
            cpus: cpus(before, after, span_ns),
            mode: after.daemon.as_ref().and_then(|daemon| {
                daemon
                    .interfaces
                    .interfaces
                    .first()
                    .map(|interface| interface.mode.clone())
            }),
        }
    }
}

/// The classes between two readings, in the order of the policy.
pub(super) fn classes(before: &Reading, after: &Reading, span_ns: u64) -> Vec<ClassReport> {
    let (Some(first), Some(last)) = (&before.daemon, &after.daemon) else {
        return end_to_end(before, after, span_ns);
    };
    let pairs = first.classes.classes.iter().zip(&last.classes.classes);
    let reports = pairs.map(|(first, last)| {
        let passed = last.passed_bytes.saturating_sub(first.passed_bytes);
        let dropped = last.dropped_bytes.saturating_sub(first.dropped_bytes);
        ClassReport {
            name: last.name.clone(),
            offered_bps: per_second((passed + dropped) * 8, span_ns),
            passed_bps: per_second(passed * 8, span_ns),
            dropped_packets: Some(last.dropped_packets.saturating_sub(first.dropped_packets)),
            rate_bps: Some(last.rate_bits_per_second.0),
        }
    });
    reports.collect()
}

/// The classes as their senders and receivers see them.
fn end_to_end(before: &Reading, after: &Reading, span_ns: u64) -> Vec<ClassReport> {
    let overhead = UDP_OVERHEAD_BYTES;
    let request_bits = (bytes(REQUEST_BYTES) + overhead) * 8;
    let modest_bits = (bytes(MODEST_PAYLOAD) + overhead) * 8;
    let sent = after.requests.sent.saturating_sub(before.requests.sent);
    let received = after
        .requests
        .received
        .saturating_sub(before.requests.received);
    let flood = after.flood_frames.saturating_sub(before.flood_frames);
    let modest = after.modest_packets.saturating_sub(before.modest_packets);
    let bulk = after.bulk_packets.saturating_sub(before.bulk_packets);
    let bulk_bits = if flood > 0 {
        bytes(FRAME_BYTES) * 8
    } else {
        modest_bits
    };
    let web = after.web_bytes.saturating_sub(before.web_bytes);
    vec![
        ClassReport {
            name: "critical".to_owned(),
            offered_bps: per_second(sent * request_bits, span_ns),
            passed_bps: per_second(received * request_bits, span_ns),
            dropped_packets: Some(sent.saturating_sub(received)),
            rate_bps: None,
        },
        ClassReport {
            name: "web".to_owned(),
            offered_bps: WEB_BITS_PER_SECOND * bytes(WEB_STREAMS),
            passed_bps: per_second(web * 8, span_ns),
            dropped_packets: None,
            rate_bps: None,
        },
        ClassReport {
            name: "bulk".to_owned(),
            offered_bps: per_second((flood + modest) * bulk_bits, span_ns),
            passed_bps: per_second(bulk * bulk_bits, span_ns),
            dropped_packets: Some((flood + modest).saturating_sub(bulk)),
            rate_bps: None,
        },
    ]
}

/// The CPUs between two readings.
pub(super) fn cpus(before: &Reading, after: &Reading, span_ns: u64) -> Vec<CpuReport> {
    let pairs = before.cpu_times.iter().zip(&after.cpu_times).enumerate();
    let reports = pairs.map(|(cpu, (first, last))| {
        let of_cpu = |reading: &Reading| {
            reading
                .daemon
                .as_ref()
                .and_then(|daemon| daemon.cpus.cpus.get(cpu).cloned())
        };
        let received = of_cpu(before).zip(of_cpu(after)).map(|(first, last)| {
            per_second(
                last.received_packets.saturating_sub(first.received_packets),
                span_ns,
            )
        });
        let all = last.1.saturating_sub(first.1).max(1);
        CpuReport {
            cpu,
            busy_percent: 100.0 * ratio(last.0.saturating_sub(first.0), all),
            received_packets_per_second: received,
            slots: of_cpu(after).map(|cpu| cpu.slots),
        }
    });
    reports.collect()
}

impl DemoReport {
    /// The verdict about four phases.
    pub(super) fn of(phases: Vec<PhaseReport>) -> Self {
        let guarantees = phases
            .iter()
            .filter(|phase| {
                [Stage::Flood.name(), Stage::PolicyChanged.name()].contains(&phase.name)
            })
            .map(guarantee_held);
        let guarantees: Vec<Check> = guarantees.collect();
        let ok = guarantees.len() == 2 && guarantees.iter().all(|check| check.held);
        let named = |stage: Stage| phases.iter().find(|phase| phase.name == stage.name());
        let comparison = named(Stage::Flood).zip(named(Stage::Detached));
        let comparison = comparison.map(|(flood, detached)| compare(flood, detached));
        Self {
            version: 1,
            ok,
            mode: phases
                .iter()
                .find_map(|phase| phase.mode.clone())
                .unwrap_or_default(),
            checks: guarantees
                .into_iter()
                .chain(comparison.into_iter().flatten())
                .collect(),
            phases,
        }
    }
}

fn guarantee_held(phase: &PhaseReport) -> Check {
    let CriticalReport {
        sent,
        received,
        loss,
        ..
    } = phase.critical;
    Check {
        name: format!("the critical class keeps its guarantee ({})", phase.name),
        held: sent > 0 && phase.flood_packets_per_second > 0 && loss <= ALLOWED_LOSS,
        detail: format!(
            "{received} of {sent} requests arrived, {:.2} % lost, at most {:.0} % allowed",
            loss * 100.0,
            ALLOWED_LOSS * 100.0
        ),
    }
}

fn compare(flood: &PhaseReport, detached: &PhaseReport) -> [Check; 2] {
    [
        Check {
            name: "it loses ten times less than without StormBolt".to_owned(),
            held: detached.critical.loss > 0.0
                && flood.critical.loss * 10.0 <= detached.critical.loss,
            detail: format!(
                "{:.2} % against {:.2} %",
                flood.critical.loss * 100.0,
                detached.critical.loss * 100.0
            ),
        },
        Check {
            name: "its 99th percentile of latency is below that without StormBolt".to_owned(),
            held: flood.critical.replied > 0 && flood.latency_us.p99 < detached.latency_us.p99,
            detail: format!(
                "{:.0} µs against {:.0} µs",
                flood.latency_us.p99, detached.latency_us.p99
            ),
        },
    ]
}

pub(super) fn per_second(count: u64, span_ns: u64) -> u64 {
    let scaled = u128::from(count) * 1_000_000_000 / u128::from(span_ns.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[expect(clippy::as_conversions, reason = "no other conversion from u64 to f64")]
#[expect(
    clippy::cast_precision_loss,
    reason = "shown to people with a few digits"
)]
fn ratio(numerator: u64, denominator: u64) -> f64 {
    numerator as f64 / denominator as f64
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
