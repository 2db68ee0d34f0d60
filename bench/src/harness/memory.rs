//! What the maps of programs weigh.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use anyhow::{Context as _, Result};
use aya::maps::{ArrayOfMaps, Map, MapData, MapInfo, MapType};
use aya::programs::loaded_programs;

/// Bytes of the maps of the programs with these numbers, and of the maps in them.
pub(super) fn memory_of(programs: &BTreeSet<u32>) -> Result<u64> {
    let mut maps = BTreeSet::new();
    for info in loaded_programs() {
        let info = info?;
        if programs.contains(&info.id()) {
            maps.extend(info.map_ids()?.context("the kernel does not list maps")?);
        }
    }
    let mut bytes = 0;
    let mut inner = BTreeSet::new();
    for map in maps {
        let info = MapInfo::from_id(map)?;
        bytes += locked(info.fd()?.as_fd())?;
        if info.map_type()? == MapType::ArrayOfMaps {
            let outer = Map::ArrayOfMaps(MapData::from_id(map)?);
            let outer: ArrayOfMaps<MapData, MapData> = outer.try_into()?;
            for slot in 0..outer.len() {
                // A slot may be empty.
                if let Ok(map) = outer.get(&slot, 0) {
                    inner.insert(map.info()?.id());
                }
            }
        }
    }
    for map in inner {
        bytes += locked(MapInfo::from_id(map)?.fd()?.as_fd())?;
    }
    Ok(bytes)
}

/// What the kernel says of one map.
fn locked(map: BorrowedFd<'_>) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", map.as_raw_fd()))?;
    let bytes = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    Ok(bytes.context("no memlock in fdinfo")?.trim().parse()?)
}
