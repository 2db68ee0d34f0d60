//! The CPUs of this machine, and their queues.

use aya::maps::CpuMap;
use aya::util::{nr_cpus, online_cpus};

use super::error::DatapathError;
use super::load::Datapath;
use super::maps;

/// Packets that wait in a CPU's queue at most. At 1 M packets/s a CPU empties it in 2 ms; what
/// waits longer than that is late anyway.
const QUEUE_PACKETS: u32 = 2048;

/// CPU numbers that may ever be in use: counters have a copy for each.
///
/// # Errors
/// The kernel's list cannot be read.
pub fn possible_cpus() -> Result<u32, DatapathError> {
    let count = nr_cpus().map_err(|(_, error)| DatapathError::Cpus(error))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Datapath {
    /// Gives `cpu` a queue that packets can be steered to.
    ///
    /// # Errors
    /// The CPU is not there or the queue cannot be made.
    pub fn enable_cpu(&mut self, cpu: u32) -> Result<(), DatapathError> {
        if self.enabled_cpus.contains(&cpu) {
            return Ok(());
        }
        let online = online_cpus().map_err(|(_, error)| DatapathError::Cpus(error))?;
        if !online.contains(&cpu) {
            let available = online
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(",");
            return Err(DatapathError::NoCpu { cpu, available });
        }
        let map = self.map_mut(maps::CPUS)?;
        let mut queues: CpuMap<_> =
            CpuMap::try_from(map).map_err(DatapathError::map("open", maps::CPUS))?;
        queues
            .set(cpu, QUEUE_PACKETS, None, 0)
            .map_err(|error| DatapathError::Map {
                operation: "add a queue to",
                name: maps::CPUS,
                source: Box::new(queue_error(error)),
            })?;
        self.enabled_cpus.insert(cpu);
        Ok(())
    }
}

fn queue_error(error: aya::maps::xdp::XdpMapError) -> aya::maps::MapError {
    match error {
        aya::maps::xdp::XdpMapError::MapError(error) => error,
        aya::maps::xdp::XdpMapError::ChainedProgramNotSupported => aya::maps::MapError::KeyNotFound,
    }
}
