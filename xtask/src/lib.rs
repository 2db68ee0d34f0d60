//! What contributors do to the tree: build the BPF objects, install what that needs, test, tidy.
//!
//! [`ebpf`] is also what `stormbolt/build.rs` calls, so it must not need the command line's crates.

#[cfg(feature = "cli")]
pub mod commands;
pub mod ebpf;
#[cfg(feature = "rulesets")]
pub mod rulesets;
