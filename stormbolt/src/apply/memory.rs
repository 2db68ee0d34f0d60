//! The memory of compiled rules: what the policy in force holds, and what is free for the next.

use stormbolt_control::compile::{
    CompileError, CompiledRules, Extent, Heap, Input, Progress, Watch, compile,
};
use stormbolt_control::units::Nanoseconds;

use crate::daemon::clock;

/// How long rules may take to compile. A hundred thousand take about a second; what takes longer than
/// this is made to.
const PATIENCE: Nanoseconds = Nanoseconds::from_millis(60_000);

/// Gives a compilation up when it takes too long.
struct Deadline {
    /// In ns of the daemon's clock.
    until: u64,
}

impl Watch for Deadline {
    fn interrupted(&mut self, _: Progress) -> bool {
        clock::now().0 > self.until
    }
}

/// Places in the tables of compiled rules.
pub(super) struct TableMemory {
    heap: Heap,
    /// Bytes that one policy may take: the rest is for the policy in force while the next is made.
    budget: u64,
    /// Places of the policy in force.
    held: Vec<Extent>,
}

impl TableMemory {
    /// Memory of this many blocks, half of it for one policy.
    pub(super) fn new(blocks: u32) -> Self {
        let heap = Heap::new(blocks);
        Self {
            budget: u64::from(heap.capacity()) * 8 / 2,
            heap,
            held: Vec::new(),
        }
    }

    /// Compiles rules beside those in force.
    ///
    /// # Errors
    /// They do not fit.
    pub(super) fn compile(&mut self, input: Input<'_>) -> Result<CompiledRules, CompileError> {
        let mut deadline = Deadline {
            until: clock::now().0.saturating_add(PATIENCE.0),
        };
        compile(input, &mut self.heap, self.budget, &mut deadline)
    }

    /// What [`TableMemory::compile`] gave is in force, and no packet is in what was before it.
    pub(super) fn keep(&mut self, places: Vec<Extent>) {
        for extent in std::mem::replace(&mut self.held, places) {
            self.heap.give_back(extent);
        }
    }

    /// What [`TableMemory::compile`] gave is not needed.
    pub(super) fn discard(&mut self, places: Vec<Extent>) {
        for extent in places {
            self.heap.give_back(extent);
        }
    }
}
