//! `cargo xtask build-ebpf`: compiles the BPF objects, or checks the committed ones.

use anyhow::{Context as _, Result, bail};

use crate::ebpf::{
    compile, embed,
    record::Record,
    source,
    toolchain::{self, Toolchain},
    workspace::Workspace,
};

/// Compiles the BPF objects from source and writes them where they are committed.
///
/// The objects that `cargo build` embeds stand in stormbolt/src/datapath/object/ beside a
/// record.json, which says what they were compiled from and by what. So nobody needs a BPF
/// toolchain to build the rest. Who changes stormbolt-ebpf/ or stormbolt-common/ runs this and
/// commits the result with the change.
///
/// It needs a Rust compiler with its sources, bpf-linker and llvm-strip: `cargo xtask setup`.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Leaves the committed objects alone and fails if they are not what their sources compile to.
    ///
    /// The fresh objects go to target/bpf/fresh/. If another compiler or linker than the recorded
    /// one compiles them, then they may differ; this says so and succeeds. Test those by
    /// `STORMBOLT_BPF_OBJECT_DIR=target/bpf/fresh cargo xtask test`.
    #[arg(long, verbatim_doc_comment)]
    check: bool,
}

pub(super) fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    let folder = workspace.committed_objects();
    let committed = Record::read(&folder);
    let toolchain = toolchain::find(committed.as_ref().ok())?;
    eprintln!(
        "compiling with {} and {}",
        toolchain.rustc_version, toolchain.linker_version
    );
    if args.check {
        return check(workspace, &toolchain, &committed?);
    }
    let record = compile::build(workspace, &toolchain, &folder)?;
    for (name, sha256) in record.objects {
        eprintln!("wrote {}/{name}.bpf.o, sha256 {sha256}", folder.display());
    }
    Ok(())
}

fn check(workspace: &Workspace, toolchain: &Toolchain, committed: &Record) -> Result<()> {
    const REMEDY: &str = "run `cargo xtask build-ebpf` and commit the result";
    if committed.source_sha256 != source::sha256(workspace)? {
        bail!("the sources have changed since the committed objects were compiled: {REMEDY}");
    }
    if let Some(damage) = committed.damage(&workspace.committed_objects()).first() {
        bail!("{damage}: {REMEDY}");
    }
    let folder = workspace.fresh_objects();
    let fresh = compile::build(workspace, toolchain, &folder)
        .context("cannot compile the objects to compare with the committed ones")?;
    if fresh.objects == committed.objects {
        eprintln!("the committed objects are what their sources compile to");
        return Ok(());
    }
    if committed.is_by(toolchain) {
        bail!(
            "the committed objects differ from what {} makes of the same sources (see {}): {REMEDY}",
            toolchain.rustc_version,
            folder.display(),
        );
    }
    eprintln!("\nWARNING: the committed objects were compiled by another toolchain,");
    eprintln!("  committed: {}, {}", committed.rustc, committed.bpf_linker);
    eprintln!(
        "  here:      {}, {}",
        toolchain.rustc_version, toolchain.linker_version
    );
    eprintln!("so that their bytes cannot be compared. Test the ones compiled just now:");
    eprintln!(
        "  {}={} cargo xtask test\n",
        embed::OBJECT_DIR,
        folder.display()
    );
    Ok(())
}
