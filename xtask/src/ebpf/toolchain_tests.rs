//! Tests of `toolchain`.

use super::*;

#[test]
fn a_compiler_is_known_by_its_release_and_its_llvm() {
    let verbose = "rustc 1.96.0 (ac68faa20 2026-05-25)\nbinary: rustc\nLLVM version: 22.1.8\n";

    let version = version_with_llvm(verbose).unwrap();

    assert_eq!(version, "rustc 1.96.0 (ac68faa20 2026-05-25), LLVM 22.1.8");
}

#[test]
fn what_a_surrounding_cargo_has_set_does_not_reach_the_nested_one() {
    for name in [
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_MAKEFLAGS",
        "RUSTUP_TOOLCHAIN",
        "TARGET",
        "OUT_DIR",
        "DEP_Z_ROOT",
    ] {
        assert!(is_cargo_setting(OsStr::new(name)), "{name} must be removed");
    }
}

#[test]
fn what_the_user_has_set_for_every_cargo_stays() {
    for name in [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "CARGO_NET_OFFLINE",
        "CARGO_HTTP_PROXY",
        "RUST_LOG",
    ] {
        assert!(!is_cargo_setting(OsStr::new(name)), "{name} must stay");
    }
}

#[test]
fn the_folder_of_the_linker_is_searched_first() {
    let path = path_with(Path::new("/opt/linker/bin/bpf-linker"));

    assert_eq!(
        env::split_paths(&path).next(),
        Some(PathBuf::from("/opt/linker/bin"))
    );
}
