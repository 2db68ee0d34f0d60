//! `cargo xtask tidy`: the invariants of the tree that no compiler and no lint checks.

mod code;
mod rules;

use std::{
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::ebpf::workspace::Workspace;

/// Checks the invariants of the tree that no compiler and no lint checks.
///
/// - `unsafe` stands in stormbolt-ebpf only under src/kernel/, and nowhere in stormbolt-control
/// - `aya` is used only in stormbolt/src/datapath/, bench/src/harness/ and stormbolt-common/src/pod.rs
/// - nothing unfinished: no todo!, unimplemented!, dbg! and no ignored test
/// - a source file has at most 500 lines, and begins by saying what it is for
/// - every crate takes the workspace's lints
///
/// Comments and strings do not count as code. ARCHITECTURE.md says what the invariants are for.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args, workspace: &Workspace) -> Result<()> {
    let mut files = Vec::new();
    collect(workspace.root(), &mut files)?;
    let mut findings = Vec::new();
    for file in &files {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let path = file
            .strip_prefix(workspace.root())
            .unwrap_or(file)
            .to_string_lossy();
        findings.extend(rules::check(&path, &text));
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} of the tree's invariants are broken", findings.len());
    }
    eprintln!("tidy: {} files", files.len());
    Ok(())
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counts from 1.
    line: usize,
    problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.problem)
    }
}

/// Adds the sources and manifests below `folder`, in the order of their names.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let context = || format!("cannot list {}", folder.display());
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).with_context(context)?.collect();
    let mut paths: Vec<_> = entries
        .with_context(context)?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        let hidden = name.to_string_lossy().starts_with('.');
        if path.is_dir() {
            if !hidden && name != "target" {
                collect(&path, files)?;
            }
        } else if name == "Cargo.toml" || path.extension() == Some(OsStr::new("rs")) {
            files.push(path);
        }
    }
    Ok(())
}
