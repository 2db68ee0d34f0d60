//! What `stormbolt/build.rs` does: chooses the objects that go into the binary.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{
    compile::{self, replace},
    record::{FILE, Record, object_file},
    source, toolchain,
    workspace::Workspace,
};

/// The environment variable that names a folder of objects to embed instead of the committed ones.
///
/// Whether they fit the sources is then not asked. A relative path starts at the workspace's root.
pub const OBJECT_DIR: &str = "STORMBOLT_BPF_OBJECT_DIR";

/// The objects to embed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    /// Those in this folder, with this record.
    Ready(PathBuf, Record),
    /// None that is there will do, for this reason.
    Compile(String),
}

/// Puts the objects into `out_dir` and tells cargo through `directives` what they depend on.
///
/// `crate_dir` is the crate that embeds them: the objects are committed in it, and its parent is
/// the workspace, if the sources are there at all. Code finds each object at
/// `concat!(env!("OUT_DIR"), "/stormbolt.bpf.o")`, and the fingerprint of their sources in
/// `env!("STORMBOLT_BPF_SOURCE_SHA256")`.
///
/// `given` is a folder of objects to take instead, out of [`OBJECT_DIR`].
///
/// # Errors
///
/// Fails if no objects fit the sources and they cannot be compiled here; says what to do then.
pub fn embed(
    crate_dir: &Path,
    out_dir: &Path,
    given: Option<&Path>,
    directives: &mut impl Write,
) -> Result<()> {
    let workspace = Workspace::at(crate_dir.parent().unwrap_or(crate_dir));
    let committed = crate_dir.join("src/datapath/object");
    let given = given.map(|folder| workspace.root().join(folder));

    writeln!(directives, "cargo:rerun-if-env-changed={OBJECT_DIR}")?;
    writeln!(directives, "cargo:rerun-if-changed={}", committed.display())?;
    if let Some(given) = &given {
        writeln!(directives, "cargo:rerun-if-changed={}", given.display())?;
    }
    if source::is_present(&workspace) {
        for input in source::inputs(&workspace) {
            writeln!(directives, "cargo:rerun-if-changed={}", input.display())?;
        }
    }

    let record = match choose(&workspace, &committed, given.as_deref())? {
        Choice::Ready(folder, record) => {
            copy(&record, &folder, out_dir)?;
            record
        }
        Choice::Compile(reason) => compile_for(&workspace, &reason, out_dir, directives)?,
    };
    writeln!(
        directives,
        "cargo:rustc-env=STORMBOLT_BPF_SOURCE_SHA256={}",
        record.source_sha256
    )?;
    Ok(())
}

fn choose(workspace: &Workspace, committed: &Path, given: Option<&Path>) -> Result<Choice> {
    if let Some(given) = given {
        let record = Record::read(given)
            .with_context(|| format!("{OBJECT_DIR} names a folder without usable objects"))?;
        if let Some(damage) = record.damage(given).first() {
            bail!("{OBJECT_DIR} names a folder where {damage}");
        }
        return Ok(Choice::Ready(given.to_path_buf(), record));
    }
    let record = match Record::read(committed) {
        Ok(record) => record,
        Err(error) => return Ok(Choice::Compile(format!("{error:#}"))),
    };
    if let Some(damage) = record.damage(committed).first() {
        return Ok(Choice::Compile(damage.clone()));
    }
    if source::is_present(workspace) && source::sha256(workspace)? != record.source_sha256 {
        return Ok(Choice::Compile("their sources have changed".to_owned()));
    }
    Ok(Choice::Ready(committed.to_path_buf(), record))
}

fn copy(record: &Record, from: &Path, to: &Path) -> Result<()> {
    for name in record.objects.keys() {
        let file = object_file(name);
        let source = from.join(&file);
        let bytes =
            fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
        replace(&to.join(&file), &bytes)?;
    }
    Ok(())
}

fn compile_for(
    workspace: &Workspace,
    reason: &str,
    out_dir: &Path,
    directives: &mut impl Write,
) -> Result<Record> {
    const RESTORE: &str = "to use the committed BPF objects instead, restore \
        stormbolt/src/datapath/object/, stormbolt-ebpf/ and stormbolt-common/ with git";
    if !source::is_present(workspace) {
        bail!("the BPF objects of this package are unusable ({reason}), and it has no sources");
    }
    let toolchain = match toolchain::find(None) {
        Ok(toolchain) => toolchain,
        Err(missing) => bail!(
            "the committed BPF objects cannot be used ({reason}), and they cannot be compiled:\n\
             {missing}\n{RESTORE}"
        ),
    };
    writeln!(
        directives,
        "cargo:warning=compiling the BPF objects from source: {reason}"
    )?;
    let record = compile::build(workspace, &toolchain, out_dir).context(RESTORE)?;
    writeln!(
        directives,
        "cargo:warning=compiled the BPF objects; `cargo xtask build-ebpf` keeps them, with {FILE}"
    )?;
    Ok(record)
}

#[cfg(test)]
#[path = "embed_tests.rs"]
mod tests;
