//! Finds a compiler for BPF: a rustc that has its own sources, a linker and a stripper.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use super::record::Record;

/// Debian's rustc, which finds its sources in the package `rust-web-src`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// What strips debug information and keeps BTF, the best first.
const STRIPPERS: [&str; 5] = [
    "llvm-strip-22",
    "llvm-strip-21",
    "llvm-strip",
    "rust-strip",
    "rust-objcopy",
];

/// All that compiles a BPF object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler.
    pub rustc: PathBuf,
    /// Its version and that of the LLVM inside it.
    pub rustc_version: String,
    /// Where the compiler keeps its libraries.
    pub sysroot: PathBuf,
    /// The sources of the standard library, links resolved.
    pub rust_source: PathBuf,
    /// The cargo to drive it with.
    pub cargo: PathBuf,
    /// `bpf-linker`.
    pub linker: PathBuf,
    /// The linker's version.
    pub linker_version: String,
    /// `llvm-strip` or something that takes the same options.
    pub strip: PathBuf,
}

/// Says which parts of a BPF toolchain are not on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(Vec<String>);

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "the toolchain for BPF is not complete:")?;
        for part in &self.0 {
            writeln!(formatter, "  missing: {part}")?;
        }
        write!(formatter, "`cargo xtask setup` installs it, or says how")
    }
}

impl std::error::Error for Missing {}

/// Finds a toolchain, if there are several then the one that wrote `record`.
///
/// # Errors
///
/// Returns what is missing, all of it at once.
pub fn find(record: Option<&Record>) -> Result<Toolchain, Missing> {
    let mut missing = Vec::new();
    let mut compilers: Vec<_> = compilers()
        .into_iter()
        .filter_map(Compiler::inspect)
        .collect();
    let recorded =
        |compiler: &Compiler| record.is_some_and(|record| record.rustc == compiler.version);
    // Stable, and `false` sorts first.
    compilers.sort_by_key(|compiler| !recorded(compiler));
    let compiler = compilers.into_iter().next();
    if compiler.is_none() {
        missing.push(
            "a Rust compiler with the standard library's sources (Debian: rustc-web and \
             rust-web-src; elsewhere: a rustup nightly with the component rust-src)"
                .to_owned(),
        );
    }
    let linker = on_path("bpf-linker");
    if linker.is_none() {
        missing.push("bpf-linker".to_owned());
    }
    let strip = STRIPPERS.iter().find_map(|name| on_path(name));
    if strip.is_none() {
        missing.push("llvm-strip (Debian: llvm-22) or rust-objcopy (cargo-binutils)".to_owned());
    }
    let (Some(compiler), Some(linker), Some(strip)) = (compiler, linker, strip) else {
        return Err(Missing(missing));
    };
    let linker_version = linker_version(&linker)
        .ok_or_else(|| Missing(vec![format!("a {} that runs", linker.display())]))?;
    Ok(Toolchain {
        cargo: compiler.cargo(),
        rustc: compiler.rustc,
        rustc_version: compiler.version,
        sysroot: compiler.sysroot,
        rust_source: compiler.rust_source,
        linker,
        linker_version,
        strip,
    })
}

/// A compiler that can build `core` for another target.
struct Compiler {
    rustc: PathBuf,
    version: String,
    sysroot: PathBuf,
    rust_source: PathBuf,
}

impl Compiler {
    /// Looks at `rustc`; `None` if it does not run or has no sources.
    fn inspect(rustc: PathBuf) -> Option<Self> {
        let sysroot = PathBuf::from(output(&rustc, &["--print", "sysroot"])?.trim());
        let rust_source = sysroot.join("lib/rustlib/src/rust").canonicalize().ok()?;
        if !rust_source.join("library/core").is_dir() {
            return None;
        }
        let version = version_with_llvm(&output(&rustc, &["--version", "--verbose"])?)?;
        Some(Self {
            rustc,
            version,
            sysroot,
            rust_source,
        })
    }

    /// The cargo of the same toolchain if it has one of its own, else the one that runs this.
    fn cargo(&self) -> PathBuf {
        let own = self.sysroot.join("bin/cargo");
        // A distribution's `/usr/bin/cargo` is another package, often years older than its rustc.
        if self.sysroot != Path::new("/usr") && own.is_file() {
            return own;
        }
        cargo()
    }
}

/// The cargo that runs this, else the one in the search path.
pub fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// The compilers to look at, the preferred first.
fn compilers() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from(DEBIAN_RUSTC)];
    let rustup = ["which", "--toolchain", "nightly", "rustc"];
    found.extend(output(Path::new("rustup"), &rustup).map(|path| PathBuf::from(path.trim())));
    found
}

/// Shortens `rustc --version --verbose` to `rustc 1.96.0 (…), LLVM 22.1.8`.
fn version_with_llvm(verbose: &str) -> Option<String> {
    let release = verbose.lines().next()?;
    let llvm = verbose
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    Some(format!("{release}, LLVM {llvm}"))
}

/// The linker's version and that of the LLVM inside it: `bpf-linker 0.13.0, LLVM 22.1.8`.
fn linker_version(linker: &Path) -> Option<String> {
    let own = output(linker, &["--version"])?.trim().to_owned();
    // It does not tell by itself which LLVM it was built with, on which the object depends; LLVM's
    // own option parser does.
    let arguments = ["--llvm-args=--version", "--output=/dev/null", "/dev/null"];
    let llvm = output(linker, &arguments).unwrap_or_default();
    match llvm
        .split_once("LLVM version ")
        .and_then(|(_, rest)| rest.split_whitespace().next())
    {
        Some(llvm) => Some(format!("{own}, LLVM {llvm}")),
        None => Some(own),
    }
}

/// Searches the folders of `PATH`, then cargo's own, for the program `name`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(cargo_home().map(|home| home.join("bin")));
    folders
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// Cargo's home: `$CARGO_HOME`, or `.cargo` in the user's home.
pub fn cargo_home() -> Option<PathBuf> {
    let set = env::var_os("CARGO_HOME").map(PathBuf::from);
    set.or_else(|| env::home_dir().map(|home| home.join(".cargo")))
}

/// Runs `program` free of the surrounding cargo's settings; `None` unless it succeeds.
fn output(program: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let result = without_cargo_environment(&mut command)
        .args(arguments)
        .output()
        .ok()?;
    result
        .status
        .success()
        .then(|| String::from_utf8_lossy(&result.stdout).into_owned())
}

/// Removes from `command` what a surrounding cargo or rustup has set for another build.
///
/// Inside a build script, cargo has set the compiler, its wrappers and flags and the target for
/// the *host's* build; each of them would bend a build for BPF.
pub fn without_cargo_environment(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        if is_cargo_setting(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn is_cargo_setting(name: &OsStr) -> bool {
    const KEPT: [&str; 4] = [
        "CARGO_HOME",
        "CARGO_BUILD_JOBS",
        "RUSTUP_HOME",
        "RUSTUP_AUTO_INSTALL",
    ];
    const NAMES: [&str; 9] = [
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "TARGET",
        "MAKEFLAGS",
        "RUSTDOCFLAGS",
    ];
    const PREFIXES: [&str; 5] = ["CARGO", "RUSTC", "RUSTFLAGS", "RUSTUP", "DEP_"];
    let name = name.to_string_lossy();
    // A user's proxy and offline settings are meant for every cargo.
    let kept = KEPT.contains(&&*name)
        || name.starts_with("CARGO_NET_")
        || name.starts_with("CARGO_HTTP_")
        || name.starts_with("CARGO_REGISTR");
    !kept && (NAMES.contains(&&*name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// Puts the folder of `linker` first in the search path, since rustc looks it up by name.
pub fn path_with(linker: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folder = linker.parent().map(Path::to_path_buf);
    env::join_paths(folder.into_iter().chain(env::split_paths(&path))).unwrap_or(path)
}

#[cfg(test)]
#[path = "toolchain_tests.rs"]
mod tests;
