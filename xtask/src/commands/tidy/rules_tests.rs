//! Tests of `rules`: each is seen to fire on what it forbids, and there only.

use super::*;

/// The lines at which a file with this content breaks a rule, the purpose already said.
fn lines(path: &str, content: &str) -> Vec<usize> {
    let text = format!("//! Purpose.\n{content}\n");
    check(path, &text)
        .into_iter()
        .map(|finding| finding.line)
        .collect()
}

#[test]
fn unsafe_in_the_bpf_crate_stands_only_in_its_kernel_folder() {
    let code = "fn f() {}\nfn g() { unsafe { f() } }";

    assert_eq!(lines("stormbolt-ebpf/src/parse/ipv4.rs", code), [3]);
    assert_eq!(
        lines("stormbolt-ebpf/src/main.rs", "#[unsafe(no_mangle)]"),
        [2]
    );
    assert!(lines("stormbolt-ebpf/src/kernel/packet.rs", code).is_empty());
    assert!(lines("stormbolt/src/datapath/maps.rs", code).is_empty());
}

#[test]
fn unsafe_in_the_controller_stands_nowhere() {
    assert_eq!(
        lines("stormbolt-control/src/decide/mod.rs", "unsafe fn f() {}"),
        [2]
    );
    assert!(lines("stormbolt-control/src/lib.rs", "#![forbid(unsafe_code)]").is_empty());
}

#[test]
fn aya_stands_only_in_the_datapath() {
    for code in [
        "use aya::Ebpf;",
        "fn f(_: aya::Ebpf) {}",
        "use {aya, std};",
        "extern crate aya;",
    ] {
        assert_eq!(lines("stormbolt/src/daemon/mod.rs", code), [2], "{code}");
        assert!(
            lines("stormbolt/src/datapath/maps.rs", code).is_empty(),
            "{code}"
        );
    }
    assert!(
        lines(
            "stormbolt-common/src/pod.rs",
            "unsafe impl aya::Pod for A {}"
        )
        .is_empty()
    );
    assert!(
        lines(
            "stormbolt-ebpf/src/kernel/maps.rs",
            "use aya_ebpf::macros::xdp;"
        )
        .is_empty()
    );
}

#[test]
fn unfinished_code_is_found() {
    for code in [
        "todo!()",
        "unimplemented!(\"later\")",
        "dbg!(x)",
        "#[ignore = \"slow\"]",
    ] {
        assert_eq!(lines("tests/src/lib.rs", code), [2], "{code}");
    }
}

#[test]
fn comments_strings_and_longer_names_are_not_code() {
    for code in [
        "// unsafe todo!()",
        "let s = \"aya::Ebpf\";",
        "fn not_unsafe() {}",
        "my_todo!()",
    ] {
        assert!(
            lines("stormbolt-control/src/lib.rs", code).is_empty(),
            "{code}"
        );
    }
}

#[test]
fn a_file_has_at_most_500_lines() {
    assert!(lines("xtask/src/lib.rs", &"//\n".repeat(498)).is_empty());
    assert_eq!(lines("xtask/src/lib.rs", &"//\n".repeat(499)), [501]);
}

#[test]
fn a_file_begins_with_its_purpose() {
    for good in ["//! Says.\n", "#![no_std]\n\n//! Says.\n"] {
        assert!(check("xtask/src/lib.rs", good).is_empty(), "{good}");
    }
    for bad in [
        "",
        "use std::fs;\n//! Says.\n",
        "//!\n",
        "// Says.\n",
        "/// Says.\nfn f() {}\n",
    ] {
        assert_eq!(check("xtask/src/lib.rs", bad).len(), 1, "{bad}");
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let package = "[package]\nname = \"x\"\n";
    let taken = format!("{package}[lints]\nworkspace = true\n");
    let refused = format!("{package}[lints]\nworkspace = false\n");

    assert!(check("x/Cargo.toml", &taken).is_empty());
    assert!(check("Cargo.toml", "[workspace]\nmembers = []\n").is_empty());
    assert_eq!(check("x/Cargo.toml", package).len(), 1);
    assert_eq!(check("x/Cargo.toml", &refused).len(), 1);
    assert_eq!(check("x/Cargo.toml", "[package").len(), 1);
}
