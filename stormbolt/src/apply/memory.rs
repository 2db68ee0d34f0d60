//! The memory of compiled rules: what the policy in force holds, and what is free for the next.

use stormbolt_control::compile::{
    CompileError, CompiledRules, Compiler, Heap, Input, Progress, Watch,
};
use stormbolt_control::units::Nanoseconds;

use super::error::ApplyError;
use crate::daemon::clock;

/// How long rules may take to compile. A hundred thousand take about a second; what takes longer than
/// this is made to.
const PATIENCE: Nanoseconds = Nanoseconds::from_millis(60_000);

/// Gives a compilation up when it takes too long, or `watch` wants to.
struct Deadline<'w> {
    /// In ns of the daemon's clock.
    until: u64,
    watch: &'w mut dyn Watch,
    given_up: bool,
}

impl Watch for Deadline<'_> {
    fn interrupted(&mut self, progress: Progress) -> bool {
        self.given_up = self.watch.interrupted(progress);
        self.given_up || clock::now().0 > self.until
    }
}

/// Places in the tables of compiled rules.
pub(super) struct TableMemory {
    compiler: Compiler,
}

impl TableMemory {
    /// Memory of this many blocks, half of it for one policy: the rest is for the policy in force while
    /// the next is made.
    pub(super) fn new(blocks: u32) -> Self {
        let heap = Heap::new(blocks);
        let budget = u64::from(heap.capacity()) * 8 / 2;
        Self {
            compiler: Compiler::new(heap, budget),
        }
    }

    /// Bytes that one policy may take.
    pub(super) fn budget(&self) -> u64 {
        self.compiler.budget()
    }

    /// Bytes that the policy in force takes.
    pub(super) fn used(&self) -> u64 {
        self.compiler.used_bytes()
    }

    /// Compiles rules beside those in force.
    ///
    /// # Errors
    /// They do not fit, or `watch` wanted to give up.
    pub(super) fn compile(
        &mut self,
        input: Input<'_>,
        watch: &mut dyn Watch,
    ) -> Result<CompiledRules, ApplyError> {
        let mut deadline = Deadline {
            until: clock::now().0.saturating_add(PATIENCE.0),
            watch,
            given_up: false,
        };
        match self.compiler.compile(input, &mut deadline) {
            Err(CompileError::Interrupted) if deadline.given_up => Err(ApplyError::GivenUp),
            compiled => Ok(compiled?),
        }
    }

    /// What [`TableMemory::compile`] gave is in force, and no packet is in what was before it.
    pub(super) fn keep(&mut self) {
        self.compiler.keep();
    }

    /// What [`TableMemory::compile`] gave is not needed.
    pub(super) fn discard(&mut self) {
        self.compiler.discard();
    }
}
