//! Where the `stormbolt` program is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The `stormbolt` program of the profile that the tests were built in.
///
/// Under `cargo test` it is built first, which takes no time when it is there and fresh: Cargo
/// builds the programs of a package for that package's own tests only.
///
/// # Panics
///
/// When it cannot be built, or is not there.
pub fn stormbolt() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // target/PROFILE/deps/TEST-HASH
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        if let Some(cargo) = std::env::var_os("CARGO") {
            build(Command::new(cargo), profile);
        }
        let program = profile.join("stormbolt");
        assert!(
            program.exists(),
            "{} is not there: run `cargo build --package stormbolt`",
            program.display()
        );
        program
    })
}

fn build(mut cargo: Command, profile: &Path) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "stormbolt",
        "--bin",
        "stormbolt",
    ]);
    cargo.arg("--manifest-path").arg(manifest);
    cargo.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().unwrap();
    assert!(status.success(), "`stormbolt` cannot be built: {status}");
}

/// A copy of the program where every user can run it, whoever owns the checkout.
pub fn copy_for_everybody() -> (TempDir, PathBuf) {
    let folder = TempDir::with_prefix("stormbolt-tests-").unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.path().join("stormbolt");
    std::fs::copy(stormbolt(), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    (folder, program)
}
