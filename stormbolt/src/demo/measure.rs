//! What is read at one moment, from the daemon and from both ends of the traffic.

use std::fs;

use super::scene::Scene;
use crate::api::documents::{Classes, Cpus, Interfaces};
use crate::lab::clock::now_ns;
use crate::lab::traffic::RequestTotals;

/// All counters at one moment; they only grow.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) at_ns: u64,
    /// What the daemon says; `None` once StormBolt is detached.
    pub(super) daemon: Option<DaemonReading>,
    /// Flood frames sent.
    pub(super) flood_frames: u64,
    /// Packets and layer-2 bytes that the modest sender has sent.
    pub(super) modest_packets: u64,
    pub(super) requests: RequestTotals,
    /// Payload that web streams have delivered.
    pub(super) web_bytes: u64,
    /// Bulk packets that reached the host's socket, read or not, and the layer-2 bytes of those read.
    pub(super) bulk_packets: u64,
    /// Busy and all time of each CPU, in clock ticks.
    pub(super) cpu_times: Vec<(u64, u64)>,
}

/// The daemon's documents.
#[derive(Clone, Debug)]
pub(super) struct DaemonReading {
    pub(super) classes: Classes,
    pub(super) cpus: Cpus,
    pub(super) interfaces: Interfaces,
}

impl Reading {
    /// Reads everything now.
    pub(super) fn take(scene: &Scene) -> anyhow::Result<Self> {
        let daemon = match &scene.daemon {
            None => None,
            Some(daemon) => Some(DaemonReading {
                classes: daemon.classes()?,
                cpus: daemon.cpus()?,
                interfaces: daemon.interfaces()?,
            }),
        };
        let bulk = scene.bulk.counters();
        Ok(Self {
            at_ns: now_ns(),
            daemon,
            flood_frames: scene.flood.frames(),
            modest_packets: scene
                .modest
                .as_ref()
                .map_or(0, |sender| sender.totals().sent_packets),
            requests: scene.requests.totals(),
            web_bytes: scene.web.received_bytes(),
            bulk_packets: bulk.iter().map(|port| port.packets + port.overflowed).sum(),
            cpu_times: cpu_times(&fs::read_to_string("/proc/stat").unwrap_or_default()),
        })
    }
}

/// Busy and all time of each CPU from `/proc/stat` (proc(5)): idle is the fourth number, waiting for
/// I/O the fifth.
fn cpu_times(stat: &str) -> Vec<(u64, u64)> {
    let of_cpu = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let number = words.next()?.strip_prefix("cpu")?;
        number.parse::<u32>().ok()?;
        let ticks: Vec<u64> = words.take(8).filter_map(|word| word.parse().ok()).collect();
        let all: u64 = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Some((all.saturating_sub(idle), all))
    };
    stat.lines().filter_map(of_cpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_leave_out_the_sum_and_count_idle_and_iowait_as_not_busy() {
        let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 40 5 6 7 8 0 0\ncpu1 0 0 0 10 0 0 0 0 0 0\nintr 5\n";
        assert_eq!(cpu_times(stat), [(27, 72), (0, 10)]);
    }
}
