//! What a daemon leaves beside its tables for the next one: a text in a map of its own.
//!
//! In a map and not in a file, so that it is there for exactly as long as the tables.

use std::fs;
use std::path::Path;

use aya::maps::MapData;
use serde::{Deserialize, Serialize};
use stormbolt_common::LAYOUT_VERSION;
use stormbolt_common::limits::CellLayout;

use super::bpffs::PinError;
use super::error::DatapathError;
use super::handover::BUCKET_VERSION;
use super::mapped::MappedArray;

/// The name of its pin.
pub(super) const RECORD: &str = "RECORD";
/// The name of the next one's, before it takes the place of the old one.
const NEXT_RECORD: &str = "RECORD-next";
/// A map's name in the kernel.
const MAP_NAME: &str = "RECORD";

/// `BPF_MAP_TYPE_ARRAY` and `BPF_F_MMAPABLE` (`linux/bpf.h`).
const ARRAY: u32 = 2;
const MMAPABLE: u32 = 1 << 10;

const WORD: usize = size_of::<u64>();

/// What a daemon says of its tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`LAYOUT_VERSION`] of the daemon.
    pub layout_version: u32,
    /// Version of the buckets alone.
    pub bucket_version: u32,
    /// Number of CPUs that counters have copies for.
    pub cpus: u32,
    /// [`CellLayout::class_bits`].
    pub cell_class_bits: u32,
    /// [`CellLayout::mask`].
    pub cell_mask: u32,
    /// Lines of the sources' buckets.
    pub source_lines: u32,
    /// Seed of the hashes of flows.
    pub hash_seed: u64,
    /// The generation in force.
    pub generation: u32,
    /// What the engine wants to know again.
    pub names: serde_json::Value,
}

impl Record {
    /// That of tables of this program's layout, without names.
    pub(super) fn of(cpus: u32, cells: CellLayout, source_lines: u32) -> Self {
        Self {
            layout_version: LAYOUT_VERSION,
            bucket_version: BUCKET_VERSION,
            cpus,
            cell_class_bits: cells.class_bits(),
            cell_mask: cells.mask(),
            source_lines,
            hash_seed: 0,
            generation: 0,
            names: serde_json::Value::Null,
        }
    }

    /// The cells' places.
    pub(super) fn cells(&self) -> CellLayout {
        CellLayout::from_parts(self.cell_class_bits, self.cell_mask)
    }

    /// Whether tables of this record are like tables of `other`.
    pub(super) fn has_tables_of(&self, other: &Self) -> bool {
        let shape = |one: &Self| {
            let cells = (one.cell_class_bits, one.cell_mask);
            (one.layout_version, one.cpus, cells, one.source_lines)
        };
        shape(self) == shape(other)
    }

    /// Reads the record in a directory of tables; `None`: there is none that can be read.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn read(tables: &Path) -> Result<Option<Self>, DatapathError> {
        let path = tables.join(RECORD);
        if !path.exists() {
            return Ok(None);
        }
        let map = MapData::from_pin(&path).map_err(DatapathError::map("open", RECORD))?;
        let info = map.info();
        let info = info.map_err(DatapathError::map("ask about", RECORD))?;
        let entries = usize::try_from(info.max_entries()).unwrap_or(0);
        let words = MappedArray::<u64>::new(RECORD, &map, entries)?;
        let length = usize::try_from(words.get(0).unwrap_or(0)).unwrap_or(0);
        let bytes = (1..entries).filter_map(|place| words.get(place));
        let mut bytes: Vec<u8> = bytes.flat_map(u64::to_ne_bytes).collect();
        bytes.truncate(length);
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Puts this record into a directory of tables, in the place of the one that is there.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn write(&self, tables: &Path) -> Result<(), DatapathError> {
        let text = serde_json::to_vec(self).map_err(|error| {
            let path = tables.join(RECORD);
            PinError::io("write", &path)(error.into())
        })?;
        let entries = 1 + text.len().div_ceil(WORD);
        let number = u32::try_from(entries).unwrap_or(u32::MAX);
        let map = array(MAP_NAME, 8, number)?;
        let words = MappedArray::<u64>::new(RECORD, &map, entries)?;
        words.set(0, u64::try_from(text.len()).unwrap_or(0));
        for (place, chunk) in text.chunks(WORD).enumerate() {
            let mut word = [0; WORD];
            for (byte, &value) in word.iter_mut().zip(chunk) {
                *byte = value;
            }
            words.set(place + 1, u64::from_ne_bytes(word));
        }
        let (next, path) = (tables.join(NEXT_RECORD), tables.join(RECORD));
        // Of a daemon that was killed here.
        drop(fs::remove_file(&next));
        map.pin(&next).map_err(PinError::pin(&next))?;
        fs::rename(&next, &path).map_err(PinError::io("rename", &next))?;
        Ok(())
    }
}

/// Makes an array that can be mapped into memory.
pub(super) fn array(
    name: &'static str,
    value_bytes: u32,
    entries: u32,
) -> Result<MapData, DatapathError> {
    let definition = aya_obj::Map::new_from_params(ARRAY, 4, value_bytes, entries, MMAPABLE);
    MapData::create(definition, name, None).map_err(DatapathError::map("create", name))
}
