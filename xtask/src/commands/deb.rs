//! `cargo xtask package`: the Debian package.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::ebpf::{
    compile,
    toolchain::{cargo, on_path},
    workspace::Workspace,
};

/// The version of cargo-deb that the package's metadata was written for.
const CARGO_DEB: &str = "3.8.0";

/// Builds the Debian package into target/package/.
///
/// It holds the program, the service with an empty policy, manual pages, completions and the OpenAPI
/// document. Installs cargo-deb by cargo where it is missing.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Package what `cargo build` has built for tests, which takes less time and runs slower.
    #[arg(long)]
    dev: bool,
}

pub(super) fn run(args: &Args, workspace: &Workspace) -> Result<()> {
    let built = Built::build(workspace, args.dev)?;
    eprintln!("{}", built.package(1)?.display());
    Ok(())
}

/// A built program and the files that were made by it.
pub(super) struct Built<'w> {
    workspace: &'w Workspace,
    dev: bool,
}

impl<'w> Built<'w> {
    /// Builds the program, its manual pages and its completions.
    pub(super) fn build(workspace: &'w Workspace, dev: bool) -> Result<Self> {
        install_cargo_deb()?;
        let mut build = Command::new(cargo());
        build.current_dir(workspace.root()).args([
            "build",
            "--package",
            "stormbolt",
            "--bin",
            "stormbolt",
        ]);
        if !dev {
            build.arg("--release");
        }
        compile::run(&mut build, "stormbolt cannot be built")?;

        let profile = if dev { "debug" } else { "release" };
        let program = workspace
            .root()
            .join("target")
            .join(profile)
            .join("stormbolt");
        let folder = workspace.packages();
        // Pages of commands that are gone would be packaged too.
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut man = Command::new(&program);
        man.arg("man").arg(folder.join("man"));
        compile::run(&mut man, "the manual pages cannot be written")?;
        for shell in ["bash", "fish", "zsh"] {
            let file = folder.join(format!("stormbolt.{shell}"));
            write_output(&program, &["completions", shell], &file)?;
        }
        write_output(&program, &["openapi"], &folder.join("openapi.json"))?;
        Ok(Self { workspace, dev })
    }

    /// Makes the package with this revision and returns its path.
    pub(super) fn package(&self, revision: u32) -> Result<PathBuf> {
        let revision = revision.to_string();
        let path = self
            .workspace
            .packages()
            .join(format!("stormbolt-{revision}.deb"));
        let mut deb = Command::new(cargo());
        deb.current_dir(self.workspace.root())
            .args([
                "deb",
                "--package",
                "stormbolt",
                "--no-build",
                "--locked",
                "--quiet",
            ])
            .args(["--deb-revision", &revision, "--output"])
            .arg(&path)
            .stdout(Stdio::null());
        if self.dev {
            deb.args(["--profile", "dev", "--fast"]);
        }
        compile::run(&mut deb, "the package cannot be made")?;
        Ok(path)
    }
}

fn install_cargo_deb() -> Result<()> {
    if on_path("dpkg-deb").is_none() {
        bail!("dpkg-deb is missing: packages for Debian are made on Debian");
    }
    let version = Command::new(cargo()).args(["deb", "--version"]).output();
    // `cargo-deb 3.8.0`
    let there = version.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout)
            .split_whitespace()
            .any(|word| word == CARGO_DEB)
    });
    if there {
        return Ok(());
    }
    eprintln!("installing cargo-deb {CARGO_DEB} by cargo, which takes about a minute");
    let mut install = Command::new(cargo());
    install.args([
        "install",
        "cargo-deb",
        "--version",
        CARGO_DEB,
        "--locked",
        "--force",
        "--quiet",
    ]);
    compile::run(&mut install, "cargo-deb cannot be installed")
}

fn write_output(program: &Path, arguments: &[&str], file: &Path) -> Result<()> {
    let output =
        fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdout(output);
    compile::run(
        &mut command,
        &format!("{} cannot be written", file.display()),
    )
}
