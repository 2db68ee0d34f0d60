//! Compiles and strips the objects.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    record::{Record, object_file},
    source,
    toolchain::{Toolchain, cargo_home, path_with, without_cargo_environment},
    workspace::Workspace,
};

/// The target: BPF, little-endian, which is what every machine we run on is.
pub const TARGET: &str = "bpfel-unknown-none";

/// Each binary of the BPF crate and the object that it becomes.
pub const OBJECTS: [(&str, &str); 3] = [
    ("stormbolt-ebpf", "stormbolt"),
    ("stormbolt-generator", "generator"),
    ("stormbolt-bench-programs", "bench"),
];

/// The compiler's flags that change what comes out.
///
/// `debuginfo` and `--btf` give the object its types, without which maps have no BTF and errors no
/// source lines; `v3` has 32-bit jumps and the atomics that fetch (Linux 5.12).
///
/// Headers are read by words, not byte by byte: the machines we run on take words at any address
/// (the kernel's `CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS`, and the verifier with it).
const RUSTFLAGS: [&str; 5] = [
    "-Cdebuginfo=2",
    "-Ctarget-cpu=v3",
    "-Ctarget-feature=+allows-misaligned-mem-access",
    "-Clink-arg=--btf",
    "-Cdebug-assertions=off",
];

/// The profile, spelt out here so that a change of the workspace's own does not reach the objects.
///
/// One unit: how code is divided must not depend on the machine.
const PROFILE: [&str; 5] = [
    "profile.release.opt-level=3",
    "profile.release.codegen-units=1",
    "profile.release.overflow-checks=false",
    "profile.release.panic=\"abort\"",
    "profile.release.lto=false",
];

/// Whose registers the bindings describe: one fixed, or every host would compile its own object.
///
/// Only probes of kernel functions read registers; XDP programs are the same for all.
const BINDINGS: (&str, &str) = ("AYA_BPF_TARGET_ARCH", "x86_64");

/// Lists every setting that changes what comes out.
pub fn settings() -> Vec<String> {
    let names = OBJECTS
        .iter()
        .map(|(binary, object)| format!("{binary}={object}"));
    let fixed = [TARGET, BINDINGS.1]
        .into_iter()
        .chain(RUSTFLAGS)
        .chain(PROFILE)
        .map(str::to_owned);
    fixed.chain(names).collect()
}

/// Compiles the objects into `folder`, with their record.
///
/// Cargo's own progress goes to standard error.
///
/// # Errors
///
/// Fails if the sources do not compile, or if an object has no BTF.
pub fn build(workspace: &Workspace, toolchain: &Toolchain, folder: &Path) -> Result<Record> {
    // Before compiling: who edits meanwhile gets a record that does not match, not one that lies.
    let source_sha256 = source::sha256(workspace)?;
    let mut command = Command::new(&toolchain.cargo);
    command.arg("build");
    // A build script's standard output is cargo's to read.
    configure(&mut command, workspace, toolchain).stdout(Stdio::null());
    run(&mut command, "the BPF objects do not compile")?;

    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let built = workspace.bpf_target().join(TARGET).join("release");
    let mut objects = BTreeMap::new();
    for (binary, object) in OBJECTS {
        let bytes = stripped(toolchain, &built.join(binary), folder)?;
        objects.insert(object.to_owned(), source::hex_sha256(&bytes));
        replace(&folder.join(object_file(object)), &bytes)?;
    }
    let record = Record {
        source_sha256,
        rustc: toolchain.rustc_version.clone(),
        bpf_linker: toolchain.linker_version.clone(),
        objects,
    };
    record.write(folder)?;
    Ok(record)
}

/// Completes a cargo `command` that stands at its subcommand: the BPF crate's binaries, for BPF.
pub fn configure<'a>(
    command: &'a mut Command,
    workspace: &Workspace,
    toolchain: &Toolchain,
) -> &'a mut Command {
    let flags = rustflags(workspace, toolchain).join("\x1f");
    without_cargo_environment(command)
        .current_dir(workspace.root())
        .env("PATH", path_with(&toolchain.linker))
        .env("RUSTC", &toolchain.rustc)
        // `build-std` and the BPF target are unstable; Debian's compiler is a stable one.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env(BINDINGS.0, BINDINGS.1)
        .env("CARGO_TARGET_DIR", workspace.bpf_target())
        .args([
            "--locked",
            "--package",
            "stormbolt-ebpf",
            "--bins",
            "--features",
            "kernel",
        ])
        .args(["--release", "--target", TARGET, "-Zbuild-std=core"])
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
}

/// The flags, with the paths of this machine taken out of what the objects quote.
fn rustflags(workspace: &Workspace, toolchain: &Toolchain) -> Vec<String> {
    let mut flags: Vec<_> = RUSTFLAGS.map(str::to_owned).to_vec();
    let in_sysroot = toolchain.sysroot.join("lib/rustlib/src/rust");
    let remaps = [
        (Some(workspace.root().to_path_buf()), "."),
        (cargo_home(), "cargo"),
        (Some(in_sysroot), "rust"),
        (Some(toolchain.rust_source.clone()), "rust"),
    ];
    for (from, to) in remaps {
        let Some(from) = from else { continue };
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    flags
}

/// Returns `object` without debug information and symbols of no use, BTF kept.
fn stripped(toolchain: &Toolchain, object: &Path, scratch: &Path) -> Result<Vec<u8>> {
    ensure!(object.is_file(), "{} was not built", object.display());
    let output = scratch.join(format!(".stripped-{}", std::process::id()));
    let mut command = Command::new(&toolchain.strip);
    command.arg("--strip-debug").arg(object);
    if toolchain
        .strip
        .file_name()
        .is_some_and(|name| name == "rust-objcopy")
    {
        command.arg(&output);
    } else {
        command.arg("-o").arg(&output);
    }
    run(&mut command, "an object cannot be stripped")?;
    let bytes = fs::read(&output).with_context(|| format!("cannot read {}", output.display()))?;
    fs::remove_file(&output).with_context(|| format!("cannot remove {}", output.display()))?;
    ensure!(
        has_btf(&bytes),
        "{} has no BTF after stripping",
        object.display()
    );
    Ok(bytes)
}

/// Reports whether an ELF file names the sections that hold BTF.
///
/// The names may be tails of longer ones (`.rel.BTF`), which linkers store only once.
fn has_btf(bytes: &[u8]) -> bool {
    let names = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    names(b".BTF\0") && names(b".BTF.ext\0")
}

/// Writes `path` in one step, and not at all if it holds `bytes` already.
///
/// # Errors
///
/// Fails if the folder cannot be written to.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let temporary: PathBuf = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Runs `command` to its end.
///
/// # Errors
///
/// Turns anything but success into an error that begins with `failure`.
pub fn run(command: &mut Command, failure: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("{failure}: cannot run {program}"))?;
    if !status.success() {
        bail!("{failure}: {program} ended with {status}");
    }
    Ok(())
}
