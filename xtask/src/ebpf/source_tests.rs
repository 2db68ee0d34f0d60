//! Tests of `source`.

use std::fs;

use tempfile::TempDir;

use super::*;

const LOCK: &str = r#"
[[package]]
name = "aya-ebpf"
version = "0.2.1"
checksum = "aa"
dependencies = ["aya-ebpf-bindings 0.2.0"]

[[package]]
name = "aya-ebpf-bindings"
version = "0.1.0"

[[package]]
name = "aya-ebpf-bindings"
version = "0.2.0"

[[package]]
name = "proptest"
version = "1.0.0"

[[package]]
name = "stormbolt-ebpf"
version = "0.1.0"
dependencies = ["aya-ebpf", "proptest"]
"#;

fn checkout() -> (TempDir, Workspace) {
    let folder = TempDir::new().unwrap();
    let manifest = "[dependencies]\naya-ebpf = { workspace = true, optional = true }\n\
        stormbolt-common.workspace = true\n[dev-dependencies]\nproptest = \"1\"\n";
    for name in CRATES {
        fs::create_dir_all(folder.path().join(name).join("src/parse")).unwrap();
        fs::write(folder.path().join(name).join("Cargo.toml"), manifest).unwrap();
        fs::write(
            folder.path().join(name).join("src/parse/ipv4.rs"),
            "//! Parses.\n",
        )
        .unwrap();
    }
    fs::write(folder.path().join("Cargo.lock"), LOCK).unwrap();
    let workspace = Workspace::at(folder.path());
    (folder, workspace)
}

/// Reports whether the fingerprint changes when `path` gets other `content`.
fn changes_with(path: &str, content: &str) -> bool {
    let (folder, workspace) = checkout();
    let before = sha256(&workspace).unwrap();
    fs::write(folder.path().join(path), content).unwrap();
    before != sha256(&workspace).unwrap()
}

#[test]
fn the_fingerprint_follows_every_source() {
    assert!(changes_with(
        "stormbolt-ebpf/src/parse/ipv4.rs",
        "//! Parses more.\n"
    ));
    assert!(changes_with(
        "stormbolt-common/src/parse/ipv4.rs",
        "//! Parses more.\n"
    ));
    assert!(changes_with("stormbolt-ebpf/src/parse/new.rs", ""));
    assert!(changes_with("stormbolt-common/Cargo.toml", "[features]\n"));
}

#[test]
fn the_fingerprint_follows_the_locked_versions_that_the_objects_contain() {
    assert!(changes_with("Cargo.lock", &LOCK.replace("0.2.1", "0.2.2")));
    assert!(changes_with(
        "Cargo.lock",
        &LOCK.replace("bindings 0.2.0", "bindings 0.1.0")
    ));
}

#[test]
fn the_fingerprint_ignores_what_cannot_reach_the_objects() {
    assert!(!changes_with("Cargo.lock", &LOCK.replace("1.0.0", "1.0.1")));
    assert!(!changes_with(
        "stormbolt-ebpf/src/parse/notes.md",
        "Not code.\n"
    ));
    assert!(!changes_with("README.md", "Not code.\n"));
}

#[test]
fn the_fingerprint_does_not_depend_on_where_the_checkout_is() {
    let ((_first_folder, first), (_second_folder, second)) = (checkout(), checkout());

    assert_eq!(sha256(&first).unwrap(), sha256(&second).unwrap());
}

#[test]
fn a_package_is_followed_in_the_version_that_is_asked_for() {
    let (_folder, workspace) = checkout();

    let packages: Vec<_> = locked_packages(&workspace).unwrap().into_iter().collect();

    assert_eq!(packages, ["aya-ebpf 0.2.1 aa", "aya-ebpf-bindings 0.2.0 "]);
}
