//! Asks the loaded rules about a frame of ours, and reads what stands beside the answer.

use std::ops::RangeInclusive;

use aya::maps::Array;
use aya::programs::{TestRun, TestRunOptions};
use stormbolt_common::counters::{ClassCell, cell_index};
use stormbolt_common::explain::Explained;
use stormbolt_common::police::SharedBucket;
use stormbolt_common::programs;

use super::error::DatapathError;
use super::load::{Datapath, load_next, load_program, xdp_program};
use super::maps;
use super::test_run::xdp_context;

/// Lengths of the frames that can be asked about, in bytes: what the kernel takes for a test run is at
/// least an Ethernet header and at most what is left of a page of 4 KiB beside its own data.
pub const EXPLAINED_FRAME_BYTES: RangeInclusive<usize> = 14..=3_000;

impl Datapath {
    /// Loads the explaining program, if it is not loaded yet. The verifier takes as long over it as over
    /// the attached one, about half a second, so whoever has no questions does not wait for it.
    ///
    /// # Errors
    /// The verifier refuses it.
    pub fn prepare_explain(&mut self) -> Result<(), DatapathError> {
        if self.can_explain {
            return Ok(());
        }
        load_program(&mut self.ebpf, maps::EXPLAIN_PROGRAM)?;
        load_next(
            &mut self.ebpf,
            maps::EXPLAIN_RULES_PROGRAM,
            programs::EXPLAIN_RULES,
        )?;
        self.can_explain = true;
        Ok(())
    }

    /// Lets the loaded program parse and classify `frame` as if it had arrived on interface number
    /// `ifindex`, which the kernel looks up in the caller's network namespace. Counts, spends and
    /// steers nothing.
    ///
    /// # Errors
    /// The kernel refuses: there is no such interface, or the frame's length is not one of
    /// [`EXPLAINED_FRAME_BYTES`].
    pub fn explain(&mut self, frame: &[u8], ifindex: u32) -> Result<Explained, DatapathError> {
        self.prepare_explain()?;
        let name = maps::EXPLAIN_PROGRAM;
        // What an earlier frame left must not pass for an answer.
        self.explained.set(0, Explained::default());
        let context = xdp_context(frame.len(), ifindex);
        let options = TestRunOptions {
            data_in: Some(frame),
            ctx_in: Some(&context),
            ..TestRunOptions::default()
        };
        xdp_program(&mut self.ebpf, name)?
            .test_run(options)
            .map_err(DatapathError::program("run", name))?;
        Ok(self.explained.get(0).unwrap_or_default())
    }

    /// The bucket of one class on one interface.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn bucket(&self, cell: u32) -> Result<SharedBucket, DatapathError> {
        self.bucket_in(maps::BUCKETS, self.cells.index(cell))
    }

    /// The bucket of an interface.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn interface_bucket(&self, interface: u32) -> Result<SharedBucket, DatapathError> {
        self.bucket_in(maps::INTERFACE_BUCKETS, interface)
    }

    fn bucket_in(&self, name: &'static str, entry: u32) -> Result<SharedBucket, DatapathError> {
        let map = self
            .ebpf
            .map(name)
            .ok_or(DatapathError::Missing { kind: "map", name })?;
        let buckets: Array<_, SharedBucket> =
            Array::try_from(map).map_err(DatapathError::map("open", name))?;
        buckets
            .get(&entry, 0)
            .map_err(DatapathError::map("read", name))
    }

    /// What the CPUs have taken out of that bucket, or borrowed, and not spent, as [`Lease::credit`] counts it. After a step
    /// down of the rate each of them gives up what is too much with its next packet.
    ///
    /// [`Lease::credit`]: stormbolt_common::counters::Lease::credit
    pub fn leased_credit(&self, cell: u32) -> u64 {
        let credit = |cpu| {
            let index = usize::try_from(cell_index(self.cells, cpu, cell)).unwrap_or(usize::MAX);
            let one: ClassCell = self.class_cells.get(index).unwrap_or_default();
            u64::from(one.lease.credit)
        };
        (0..self.cpus).map(credit).fold(0, u64::saturating_add)
    }

    /// Where packets of a slot are sent ([`stormbolt_common::steer`]).
    pub fn slot_entry(&self, slot: u32) -> u32 {
        let index = usize::try_from(slot).unwrap_or(usize::MAX);
        self.slot_cpus.get(index).unwrap_or_default()
    }

    /// The seed of the flow hash.
    pub fn hash_seed(&self) -> u64 {
        self.active.get(0).map_or(0, |active| active.hash_seed)
    }
}
