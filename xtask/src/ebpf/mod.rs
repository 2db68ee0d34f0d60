//! The BPF objects: from their sources, through the compiler, to the committed bytes and their record.
//!
//! ```text
//! sources → source_sha256 ┐
//! toolchain → compile → strip → objects → record.json → stormbolt/build.rs → the binary
//! ```

pub mod compile;
pub mod embed;
pub mod record;
pub mod source;
pub mod toolchain;
pub mod workspace;
