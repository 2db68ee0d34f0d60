//! The counters of a loaded StormBolt, written as its program writes them.

use anyhow::{Context as _, Result, ensure};
use aya::Pod;
use aya::maps::{Array, Map, MapData, MapInfo};
use aya::programs::loaded_programs;
use stormbolt_common::counters::{ClassCell, Refusals};

/// The maps, by the names that the kernel keeps.
const CLASS_CELLS: &str = "CLASS_CELLS";
const REFUSALS: &str = "REFUSALS";
const SLOT_PACKETS: &str = "SLOT_PACKETS";

/// What classes and slots have counted, CPU by CPU.
///
/// Each entry is one system call, which leaves it in the caches of the CPU that makes it, as the program would
/// have. Of the first interface and the first CPU set, a class's or slot's number is its place in the table.
pub struct Counters {
    cpus: u32,
    cells: Array<MapData, ClassCell>,
    refusals: Array<MapData, Refusals>,
    slots: Array<MapData, u64>,
}

impl Counters {
    /// Those that the program number `program` uses, which has copies for `cpus` CPUs.
    pub(super) fn of(program: u32, cpus: u32) -> Result<Self> {
        Ok(Self {
            cpus,
            cells: table(program, CLASS_CELLS)?,
            refusals: table(program, REFUSALS)?,
            slots: table(program, SLOT_PACKETS)?,
        })
    }

    /// CPUs that there are copies for.
    pub fn cpus(&self) -> u32 {
        self.cpus
    }

    /// Writes what `cpu` has counted of class number `class`.
    ///
    /// # Errors
    /// There is no such class or CPU.
    pub fn set_class(
        &mut self,
        cpu: u32,
        class: u32,
        cell: ClassCell,
        refusals: Refusals,
    ) -> Result<()> {
        let index = self.index(self.cells.len(), cpu, class)?;
        self.cells.set(index, cell, 0)?;
        Ok(self.refusals.set(index, refusals, 0)?)
    }

    /// Writes the packets that `cpu` has counted of slot number `slot`.
    ///
    /// # Errors
    /// There is no such slot or CPU.
    pub fn set_slot(&mut self, cpu: u32, slot: u32, packets: u64) -> Result<()> {
        let index = self.index(self.slots.len(), cpu, slot)?;
        Ok(self.slots.set(index, packets, 0)?)
    }

    /// Place of an entry in a table of `entries` entries.
    fn index(&self, entries: u32, cpu: u32, number: u32) -> Result<u32> {
        let of_each_cpu = entries / self.cpus.max(1);
        ensure!(
            cpu < self.cpus && number < of_each_cpu,
            "CPU {cpu} has no counters number {number}"
        );
        Ok(cpu * of_each_cpu + number)
    }
}

/// The map of this name that a program uses.
fn table<T: Pod>(program: u32, name: &'static str) -> Result<Array<MapData, T>> {
    let mut programs = loaded_programs().filter_map(Result::ok);
    let program = programs.find(|info| info.id() == program);
    let maps = program.context("the program is gone")?.map_ids()?;
    for map in maps.context("the kernel does not list maps")? {
        if MapInfo::from_id(map)?.name_as_str() == Some(name) {
            return Ok(Map::Array(MapData::from_id(map)?).try_into()?);
        }
    }
    anyhow::bail!("the program has no map {name}")
}
