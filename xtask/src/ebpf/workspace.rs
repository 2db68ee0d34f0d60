//! Where things stand in the tree.

use std::path::{Path, PathBuf};

/// The paths of one checkout.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Takes the checkout that this program was compiled in.
    pub fn of_this_build() -> Self {
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::at(xtask.parent().unwrap_or(xtask))
    }

    /// Takes the checkout at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder with the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The crate that the objects are compiled from.
    pub fn ebpf_crate(&self) -> PathBuf {
        self.root.join("stormbolt-ebpf")
    }

    /// The folder of the committed objects and their record.
    pub fn committed_objects(&self) -> PathBuf {
        self.root.join("stormbolt/src/datapath/object")
    }

    /// Cargo's target folder for the BPF target.
    ///
    /// Apart from the host's: a build script that waited for the lock its own cargo holds would
    /// wait for ever.
    pub fn bpf_target(&self) -> PathBuf {
        self.root.join("target/bpf")
    }

    /// Where packages and what goes into them are made; the package's metadata names it too.
    pub fn packages(&self) -> PathBuf {
        self.root.join("target/package")
    }

    /// Where the machine of `cargo xtask systemd` is kept.
    pub fn systemd_machine(&self) -> PathBuf {
        self.root.join("target/systemd")
    }

    /// Where `build-ebpf --check` leaves the objects that it has compiled.
    pub fn fresh_objects(&self) -> PathBuf {
        self.bpf_target().join("fresh")
    }
}
