//! Buckets on their way from tables of one layout to tables of another.
//!
//! While the new program is made ready the old one goes on spending, so the buckets are copied last. Were they
//! left full, every class would have its burst once more; were they emptied, classes below their rates would lose
//! packets.

use std::path::Path;

use aya::maps::{Array, MapData};
use stormbolt_common::limits::CellLayout;
use stormbolt_common::police::SharedBucket;
use stormbolt_control::units::Nanoseconds;

use super::error::DatapathError;
use super::lasting::Pinned;
use super::load::Datapath;
use super::maps;

/// Version of [`SharedBucket`] by itself, so that other changes of the layout do not keep buckets from going over.
pub(super) const BUCKET_VERSION: u32 = 1;

impl Datapath {
    /// Lets the buckets of these cells and interfaces go on as they stand in the tables of the daemon before, where
    /// those are not shared. Buckets that cannot be read are empty at `now`.
    ///
    /// # Errors
    /// The kernel refuses to write them.
    pub fn inherit_buckets(
        &mut self,
        cells: &[u32],
        interfaces: &[u32],
        now: Nanoseconds,
    ) -> Result<(), DatapathError> {
        let Some((tables, layout)) = self.pinned.as_ref().and_then(Pinned::left) else {
            return Ok(());
        };
        let empty = SharedBucket {
            spent_until_ns: now.0,
            ceil_spent_until_ns: now.0,
            beside_spent_until_ns: now.0,
            ..SharedBucket::default()
        };
        let own = self.cells;
        let cells = cells.iter().map(|&cell| {
            let before = layout.map(|layout: CellLayout| layout.index(cell));
            (before, own.index(cell))
        });
        let cells: Vec<_> = cells.collect();
        self.copy(maps::BUCKETS, &tables, &cells, empty)?;
        let interfaces = interfaces
            .iter()
            .map(|&number| (layout.map(|_| number), number));
        let interfaces: Vec<_> = interfaces.collect();
        self.copy(maps::INTERFACE_BUCKETS, &tables, &interfaces, empty)
    }

    /// Copies buckets by place, from and to.
    fn copy(
        &mut self,
        name: &'static str,
        tables: &Path,
        places: &[(Option<u32>, u32)],
        empty: SharedBucket,
    ) -> Result<(), DatapathError> {
        let left = left(name, tables);
        let map = self.map_mut(name)?;
        let mut buckets: Array<_, SharedBucket> =
            Array::try_from(map).map_err(DatapathError::map("open", name))?;
        for &(from, to) in places {
            let found = left.as_ref().zip(from);
            let found = found.and_then(|(left, from)| left.get(&from, 0).ok());
            let bucket = found.unwrap_or(empty);
            buckets
                .set(to, bucket, 0)
                .map_err(DatapathError::map("write", name))?;
        }
        Ok(())
    }
}

/// The buckets that a daemon before has left; `None`: they are not like ours.
fn left(name: &str, tables: &Path) -> Option<Array<MapData, SharedBucket>> {
    let map = MapData::from_pin(tables.join(name)).ok()?;
    Array::try_from(aya::maps::Map::from_map_data(map).ok()?).ok()
}
