//! Tests of `embed`, on a workspace small enough to see at once.

use std::{collections::BTreeMap, fs};

use tempfile::TempDir;

use super::*;

struct Checkout {
    folder: TempDir,
}

impl Checkout {
    /// A workspace whose committed object fits its sources.
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["stormbolt-common", "stormbolt-ebpf"] {
            fs::create_dir_all(folder.path().join(name).join("src")).unwrap();
            fs::write(folder.path().join(name).join("Cargo.toml"), "[package]\n").unwrap();
            fs::write(folder.path().join(name).join("src/lib.rs"), "//! Pure.\n").unwrap();
        }
        fs::write(folder.path().join("Cargo.lock"), "package = []\n").unwrap();
        let checkout = Self { folder };
        let source_sha256 = source::sha256(&checkout.workspace()).unwrap();
        write_object(&checkout.committed(), b"committed", &source_sha256);
        fs::create_dir_all(checkout.out_dir()).unwrap();
        checkout
    }

    fn workspace(&self) -> Workspace {
        Workspace::at(self.folder.path())
    }

    fn committed(&self) -> PathBuf {
        self.workspace().committed_objects()
    }

    fn out_dir(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn choose(&self, given: Option<&Path>) -> Result<Choice> {
        choose(&self.workspace(), &self.committed(), given)
    }

    fn reason_to_compile(&self) -> String {
        match self.choose(None).unwrap() {
            Choice::Compile(reason) => reason,
            Choice::Ready(folder, _) => panic!("uses {}", folder.display()),
        }
    }
}

fn write_object(folder: &Path, bytes: &[u8], source_sha256: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("stormbolt.bpf.o"), bytes).unwrap();
    let record = Record {
        source_sha256: source_sha256.to_owned(),
        rustc: "rustc".to_owned(),
        bpf_linker: "bpf-linker".to_owned(),
        objects: BTreeMap::from([("stormbolt".to_owned(), source::hex_sha256(bytes))]),
    };
    record.write(folder).unwrap();
}

#[test]
fn objects_that_fit_the_sources_are_embedded_as_committed() {
    let checkout = Checkout::new();
    let mut directives = Vec::new();

    embed(
        &checkout.folder.path().join("stormbolt"),
        &checkout.out_dir(),
        None,
        &mut directives,
    )
    .unwrap();

    assert_eq!(
        fs::read(checkout.out_dir().join("stormbolt.bpf.o")).unwrap(),
        b"committed"
    );
    let directives = String::from_utf8(directives).unwrap();
    let sha256 = source::sha256(&checkout.workspace()).unwrap();
    assert!(directives.contains(&format!("rustc-env=STORMBOLT_BPF_SOURCE_SHA256={sha256}\n")));
    for input in ["stormbolt-ebpf/src", "stormbolt-common/src", "Cargo.lock"] {
        assert!(
            directives.contains(&format!("/{input}\n")),
            "{input} in {directives}"
        );
    }
}

#[test]
fn changed_sources_ask_for_a_compilation() {
    let checkout = Checkout::new();
    fs::write(
        checkout.folder.path().join("stormbolt-ebpf/src/lib.rs"),
        "//! New.\n",
    )
    .unwrap();

    assert_eq!(checkout.reason_to_compile(), "their sources have changed");
}

#[test]
fn a_damaged_object_asks_for_a_compilation() {
    let checkout = Checkout::new();
    fs::write(
        checkout.committed().join("stormbolt.bpf.o"),
        b"something else",
    )
    .unwrap();

    assert!(
        checkout
            .reason_to_compile()
            .contains("stormbolt.bpf.o is not the object")
    );
}

#[test]
fn missing_objects_ask_for_a_compilation() {
    let checkout = Checkout::new();
    fs::remove_dir_all(checkout.committed()).unwrap();

    assert!(checkout.reason_to_compile().contains("cannot read"));
}

#[test]
fn a_package_without_sources_uses_its_objects() {
    let checkout = Checkout::new();
    fs::remove_dir_all(checkout.folder.path().join("stormbolt-ebpf")).unwrap();

    assert!(matches!(checkout.choose(None).unwrap(), Choice::Ready(..)));
}

#[test]
fn a_given_folder_goes_before_the_committed_objects() {
    let checkout = Checkout::new();
    let given = checkout.folder.path().join("given");
    write_object(&given, b"given", "of other sources");

    match checkout.choose(Some(&given)).unwrap() {
        Choice::Ready(folder, record) => {
            assert_eq!(folder, given);
            assert_eq!(record.source_sha256, "of other sources");
        }
        Choice::Compile(reason) => panic!("compiles: {reason}"),
    }
}

#[test]
fn a_given_folder_without_objects_is_an_error_and_not_ignored() {
    let checkout = Checkout::new();

    let error = checkout.choose(Some(&checkout.out_dir())).unwrap_err();

    assert!(format!("{error:#}").contains(OBJECT_DIR), "{error:#}");
}
