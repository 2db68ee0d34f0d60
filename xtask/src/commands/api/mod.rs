//! `cargo xtask api`: the daemon's API against its own description, by requests that nobody has thought of.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use super::setup::{self, is_root};
use crate::ebpf::{compile, toolchain::cargo, workspace::Workspace};

/// The tester, by pip: each version has other checks.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
const SPEC_VALIDATOR: &str = "openapi-spec-validator==0.9.0";

const CHECK: &str = include_str!("check");
const BRIDGE: &str = include_str!("bridge.py");

/// Sends generated requests to a daemon and holds its answers against the OpenAPI document.
///
/// First the document itself is held against the specification of OpenAPI. The daemon runs in a network namespace
/// of its own, under a small policy. The tester, schemathesis, is installed by pip into target/api/ the first time.
/// Needs root.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Requests of each kind for each route.
    #[arg(long, default_value_t = 25)]
    examples: u32,
}

pub(super) fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    if !is_root() {
        bail!("only root can run the daemon: run `sudo -E env \"PATH=$PATH\" cargo xtask api`");
    }
    let folder = workspace.root().join("target/api");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let tools = folder.join("venv");
    install(&tools)?;
    let mut build = Command::new(cargo());
    build.current_dir(workspace.root()).args([
        "build",
        "--package",
        "stormbolt",
        "--bin",
        "stormbolt",
    ]);
    compile::run(&mut build, "stormbolt cannot be built")?;

    for (name, text) in [("check", CHECK), ("bridge.py", BRIDGE)] {
        fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    // The namespace goes with the last process in it.
    let mut check = Command::new("unshare");
    check
        .current_dir(&folder)
        .args(["--net", "--kill-child", "--fork", "bash", "check"])
        .arg(workspace.root().join("target/debug/stormbolt"))
        .arg(tools.join("bin"))
        .arg(args.examples.to_string());
    compile::run(&mut check, "the API is not what its document says")
}

/// Makes a Python environment with the testers where there is none, or one with other versions.
fn install(tools: &Path) -> Result<()> {
    let wanted = format!("{SCHEMATHESIS} {SPEC_VALIDATOR}");
    let record = tools.join("versions");
    if fs::read_to_string(&record).is_ok_and(|versions| versions == wanted) {
        return Ok(());
    }
    setup::install(&["curl", "iproute2", "python3-venv"])?;
    eprintln!("installing {wanted} by pip");
    drop(fs::remove_dir_all(tools));
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(tools);
    compile::run(&mut make, "no Python environment")?;
    let mut pip = Command::new(tools.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        SCHEMATHESIS,
        SPEC_VALIDATOR,
    ]);
    compile::run(&mut pip, "the testers cannot be installed")?;
    fs::write(&record, wanted).with_context(|| format!("cannot write {}", record.display()))
}
