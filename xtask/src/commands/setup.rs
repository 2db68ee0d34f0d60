//! `cargo xtask setup`: installs what compiling the BPF objects needs.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use crate::ebpf::{
    compile,
    toolchain::{self, cargo, on_path, without_cargo_environment},
};

/// Debian's packages: a compiler with its sources and its clippy, and the LLVM that it has inside.
const PACKAGES: [&str; 6] = [
    "rustc-web",
    "rust-web-src",
    "rust-web-clippy",
    "llvm-22",
    "llvm-22-dev",
    "libpolly-22-dev",
];
/// The oldest rustc-web that goes with LLVM 22 and with our crates.
const OLDEST_RUSTC: [u32; 2] = [1, 95];
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const BPF_LINKER: [&str; 8] = [
    "install",
    "bpf-linker",
    "--version=0.13.0",
    "--locked",
    "--no-default-features",
    "--features=llvm-22",
    "--force",
    "--quiet",
];

/// Installs what compiling the BPF objects needs, where it is not there yet.
///
/// On Debian: by apt-get, which needs root or sudo, and by `cargo install` for bpf-linker. Where
/// neither root nor sudo is to be had, and on other systems, it prints what to run and fails.
///
/// Only contributors who change the BPF programs need it: the compiled objects are in the tree.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<()> {
    let on_debian = on_path("apt-get").is_some();
    let has_clippy =
        |found: &toolchain::Toolchain| found.sysroot.join("bin/cargo-clippy").is_file();
    match toolchain::find(None) {
        Ok(found) if has_clippy(&found) => {
            eprintln!(
                "all there: {}, {}",
                found.rustc_version, found.linker_version
            );
            return Ok(());
        }
        Ok(_) if !on_debian => bail!("{}", advice("clippy of the BPF compiler is missing")),
        Err(missing) if !on_debian => bail!("{}", advice(&missing.to_string())),
        Ok(_) | Err(_) => {}
    }
    install_packages()?;
    // Asks for a linker that runs: one whose LLVM is gone is there and does not.
    if toolchain::find(None).is_err() {
        install_linker()?;
    }
    let found = toolchain::find(None)?;
    eprintln!(
        "installed: {}, {}",
        found.rustc_version, found.linker_version
    );
    Ok(())
}

/// Says how to get a toolchain without apt-get.
fn advice(missing: &str) -> String {
    format!(
        "{missing}\n\
         This system has no apt-get with Debian's rustc-web. With rustup, run:\n\
         \x20 rustup toolchain install nightly --component rust-src,clippy,llvm-tools\n\
         \x20 cargo install bpf-linker cargo-binutils"
    )
}

fn install_packages() -> Result<()> {
    let absent: Vec<_> = PACKAGES
        .into_iter()
        .filter(|name| !is_installed(name))
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    eprintln!("installing {} by apt-get", absent.join(" "));
    let install = || {
        [
            &["apt-get", "install", "--yes", "--no-install-recommends"],
            &*absent,
        ]
        .concat()
    };
    // A fresh machine has no package lists, and old ones name files that are gone.
    if offers_what_we_need() && as_root(&install()).is_ok() {
        return Ok(());
    }
    as_root(&["apt-get", "update"])?;
    if !offers_what_we_need() {
        bail!(
            "{}",
            advice("this distribution's rustc-web is missing or too old")
        );
    }
    as_root(&install())
}

/// Installs packages of Debian that are not there yet.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    let absent = packages.iter().copied().filter(|name| !is_installed(name));
    let absent: Vec<_> = absent.collect();
    if absent.is_empty() {
        return Ok(());
    }
    if on_path("apt-get").is_none() {
        bail!(
            "{} missing, and no apt-get to install it by",
            absent.join(" ")
        );
    }
    eprintln!("installing {} by apt-get", absent.join(" "));
    let install = [
        &["apt-get", "install", "--yes", "--no-install-recommends"],
        &*absent,
    ]
    .concat();
    // A fresh machine has no package lists, and old ones name files that are gone.
    as_root(&install).or_else(|_| {
        as_root(&["apt-get", "update"])?;
        as_root(&install)
    })
}

fn install_linker() -> Result<()> {
    eprintln!("installing bpf-linker by cargo, which takes about a minute");
    let mut command = Command::new(cargo());
    without_cargo_environment(&mut command)
        .args(BPF_LINKER)
        .env("LLVM_PREFIX", LLVM_PREFIX);
    compile::run(&mut command, "bpf-linker cannot be installed")
}

fn is_installed(package: &str) -> bool {
    let status = output(&[
        "dpkg-query",
        "--show",
        "--showformat=${db:Status-Status}",
        package,
    ]);
    status.is_some_and(|status| status == "installed")
}

/// Reports whether apt's lists offer a compiler new enough.
fn offers_what_we_need() -> bool {
    let policy = output(&["apt-cache", "policy", "rustc-web"]).unwrap_or_default();
    let offered = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "));
    offered.is_some_and(is_new_enough)
}

/// Compares a package's version, such as `1.96.0+dfsg1-1~deb12u2`, with the oldest that will do.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => [major, minor] >= OLDEST_RUSTC,
        _ => false,
    }
}

/// Runs a command as root: directly, else through sudo.
fn as_root(words: &[&str]) -> Result<()> {
    let mut words = words.to_vec();
    if !is_root() {
        if on_path("sudo").is_none() {
            bail!("only root can do this; run as root:\n  {}", words.join(" "));
        }
        words.insert(0, "sudo");
    }
    let Some((program, arguments)) = words.split_first() else {
        bail!("nothing to run");
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::inherit());
    compile::run(&mut command, &format!("`{}` failed", words.join(" ")))
}

/// Reports whether this process has the effective user 0.
pub(super) fn is_root() -> bool {
    let status = fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    effective_user(&status) == Some(0)
}

/// The effective user in the text of `/proc/self/status`.
fn effective_user(status: &str) -> Option<u32> {
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_whitespace().nth(1)?.parse().ok()
}

fn output(words: &[&str]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let result = Command::new(program)
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    result
        .status
        .success()
        .then(|| String::from_utf8_lossy(&result.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_compiler_than_the_crates_accept_is_not_installed() {
        assert!(is_new_enough("1.96.0+dfsg1-1~deb12u2"));
        assert!(is_new_enough("2.0.0"));
        assert!(!is_new_enough("1.85.0+dfsg3-1~deb12u3"));
        assert!(!is_new_enough("(none)"));
    }

    #[test]
    fn root_is_told_by_the_effective_user_and_not_the_real_one() {
        assert_eq!(effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(
            effective_user("Name:\tx\nUid:\t0\t1000\t0\t0\n"),
            Some(1000)
        );
        assert_eq!(effective_user("Name:\tx\n"), None);
    }
}
