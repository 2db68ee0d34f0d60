//! What it takes to load a policy: time and memory.

use anyhow::Result;
use stormbolt_control::policy::Policy;

use crate::harness::Loaded;
use crate::harness::clock::thread_time_ns;
use crate::policies::compile_only;
use crate::run::Run;
use crate::stats::{milliseconds, ratio};

/// Puts `policy` into force in the place of `other`, and reports what that takes.
///
/// # Errors
/// A policy does not fit, or the kernel refuses it.
pub(super) fn measure(
    run: &mut Run<'_, '_>,
    case: &str,
    other: Policy,
    policy: Policy,
) -> Result<Loaded> {
    let before = thread_time_ns();
    let table_bytes = compile_only(&policy)?;
    let compile_ns = thread_time_ns() - before;
    let mut loaded = Loaded::start(other)?;
    let swap_ns = loaded.apply(policy)?;
    run.add(case, "compile_time", milliseconds(compile_ns), "ms")?;
    run.add(case, "swap_time", milliseconds(swap_ns), "ms")?;
    run.add(case, "memory", ratio(table_bytes, 1), "bytes")?;
    run.add(case, "memory_of_maps", ratio(loaded.memory()?, 1), "bytes")?;
    Ok(loaded)
}
