//! The fingerprint of everything that decides what the objects contain, compilers aside.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{compile, workspace::Workspace};

/// The crates of this workspace that the objects are compiled from.
const CRATES: [&str; 2] = ["stormbolt-common", "stormbolt-ebpf"];

/// Reports whether the checkout holds the sources at all: a packaged crate does not.
pub fn is_present(workspace: &Workspace) -> bool {
    CRATES
        .iter()
        .all(|name| workspace.root().join(name).join("src").is_dir())
}

/// The files and folders whose change can change the objects.
pub fn inputs(workspace: &Workspace) -> Vec<PathBuf> {
    let of_crate = |name: &&str| {
        let folder = workspace.root().join(name);
        [folder.join("src"), folder.join("Cargo.toml")]
    };
    let mut inputs: Vec<_> = CRATES.iter().flat_map(of_crate).collect();
    inputs.push(workspace.root().join("Cargo.lock"));
    inputs
}

/// Hashes the sources, the locked versions of what they depend on, and the build's settings.
///
/// The result is lower-case hexadecimal. Of `Cargo.lock` only the packages that the BPF crate
/// reaches count: an update of anything else must not ask for a rebuild.
///
/// # Errors
///
/// Fails if a source or the lock file cannot be read.
pub fn sha256(workspace: &Workspace) -> Result<String> {
    let mut hash = Sha256::new();
    for (name, path) in source_files(workspace)? {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hash.update(format!("file {name} {}\n", hex_sha256(&bytes)));
    }
    for package in locked_packages(workspace)? {
        hash.update(format!("package {package}\n"));
    }
    for setting in compile::settings() {
        hash.update(format!("setting {setting}\n"));
    }
    Ok(hex(&hash.finalize()))
}

/// Hashes `bytes`, as lower-case hexadecimal.
pub fn hex_sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Every source file by its name relative to the root, with `/` between folders everywhere.
fn source_files(workspace: &Workspace) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for name in CRATES {
        let manifest = workspace.root().join(name).join("Cargo.toml");
        files.insert(format!("{name}/Cargo.toml"), manifest);
        add_rust_files(
            &workspace.root().join(name).join("src"),
            &format!("{name}/src"),
            &mut files,
        )?;
    }
    Ok(files)
}

fn add_rust_files(folder: &Path, name: &str, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            add_rust_files(&path, &name, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(name, path);
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
    version: String,
    #[serde(default)]
    checksum: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// Lists `name version checksum` of every outside package that the BPF crate can reach.
fn locked_packages(workspace: &Workspace) -> Result<BTreeSet<String>> {
    // The lock file does not tell a crate's own tests from its code, so the first step is taken
    // from the manifest: proptest is not part of the object.
    let manifest: Manifest = read_toml(&workspace.ebpf_crate().join("Cargo.toml"))?;
    let lock: Lock = read_toml(&workspace.root().join("Cargo.lock"))?;
    let direct = manifest
        .dependencies
        .into_keys()
        .filter(|name| !CRATES.contains(&name.as_str()));
    Ok(reachable(&lock, direct.collect()))
}

fn reachable(lock: &Lock, mut waiting: VecDeque<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    while let Some(wanted) = waiting.pop_front() {
        // `name`, or `name version` where the lock file has several versions of it.
        let mut words = wanted.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        let matching = |package: &&LockedPackage| {
            package.name == name && version.is_none_or(|version| package.version == version)
        };
        for package in lock.package.iter().filter(matching) {
            let LockedPackage {
                name,
                version,
                checksum,
                dependencies,
            } = package;
            if found.insert(format!("{name} {version} {checksum}")) {
                waiting.extend(dependencies.iter().cloned());
            }
        }
    }
    found
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot understand {}", path.display()))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
