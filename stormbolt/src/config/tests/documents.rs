//! The documentation: every whole policy in it is one, without warnings.

use std::path::Path;

use super::found;
use crate::config::{LoadError, load, parse, to_toml};

const REFERENCE: &str = include_str!("../../../../docs/policy.md");
const BOGONS: &str = include_str!("../../../../docs/examples/bogons.txt");
const EXAMPLES: [(&str, &str); 4] = [
    (
        "game-server.toml",
        include_str!("../../../../docs/examples/game-server.toml"),
    ),
    (
        "gateway.toml",
        include_str!("../../../../docs/examples/gateway.toml"),
    ),
    (
        "isp-edge.toml",
        include_str!("../../../../docs/examples/isp-edge.toml"),
    ),
    (
        "radio-link.toml",
        include_str!("../../../../docs/examples/radio-link.toml"),
    ),
];

/// The `toml` blocks of the reference.
fn blocks() -> Vec<&'static str> {
    let blocks = REFERENCE.split("```toml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// What is found in a policy file beside the files that the examples name.
fn found_beside_files(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bogons.txt"), BOGONS).unwrap();
    let path = folder.path().join("policy.toml");
    std::fs::write(&path, text).unwrap();
    let report = match load(&path) {
        Ok((loaded, _)) => loaded.warnings,
        Err(LoadError::Policy(error)) => error.report().clone(),
        Err(error) => panic!("{error}"),
    };
    let findings = report.findings().into_iter();
    findings.map(|finding| finding.message).collect()
}

#[test]
fn every_block_of_the_reference_is_valid_by_itself_or_in_a_policy() {
    let (whole, parts): (Vec<_>, Vec<_>) = blocks()
        .into_iter()
        .partition(|block| block.contains("version ="));
    assert!(
        whole.len() >= 2 && parts.len() >= 5,
        "{} and {}",
        whole.len(),
        parts.len()
    );
    for block in whole {
        assert_eq!(found(block), [""; 0], "{block}");
    }
    // What a part refers to is defined around it, unless it does so itself.
    for part in parts {
        let mut text = String::from("version = 1\n");
        let around = [
            ("[interface.eth0]", "capacity = \"10Gbit\""),
            ("[interface.eth1]", "capacity = \"10Gbit\""),
            ("[class.calls]", ""),
            ("[class.bulk]", ""),
            ("[set.bogons]", "prefixes = [\"192.0.0.0/24\"]"),
            ("[set.office]", "prefixes = [\"192.0.2.0/24\"]"),
            ("[default]", "class = \"bulk\""),
        ];
        for (header, body) in around
            .into_iter()
            .filter(|(header, _)| !part.contains(header))
        {
            text.extend([header, "\n", body, "\n"]);
        }
        text.push_str(part);
        let problems = found_beside_files(&text);
        let unused = |problem: &String| problem.contains("is never used");
        assert!(problems.iter().all(unused), "{problems:#?}\n{text}");
    }
}

#[test]
fn every_key_is_in_the_reference() {
    for key in [
        "version",
        "interval",
        "failsafe",
        "failsafe-after",
        "law",
        "memory",
        "flows",
        "capacity",
        "capacity-min",
        "capacity-max",
        "probe",
        "probe-interval",
        "delay-target",
        "mode",
        "priority",
        "rate",
        "ceil",
        "burst",
        "weight",
        "cpus",
        "group",
        "parent",
        "prefixes",
        "file",
        "name",
        "src",
        "dst",
        "src-port",
        "dst-port",
        "protocol",
        "dscp",
        "vlan",
        "tcp-flags",
        "fragment",
        "icmp-type",
        "length",
        "interface",
        "class",
        "action",
        "malformed",
    ] {
        assert!(REFERENCE.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn every_example_is_valid_and_comes_back_from_its_export() {
    for (name, text) in EXAMPLES {
        assert_eq!(found_beside_files(text), [""; 0], "{name}");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples");
        let (loaded, _) = load(&Path::new(folder).join(name)).unwrap();
        let policy = loaded.policy;
        let again = parse(name, &to_toml(&policy)).unwrap();
        assert_eq!(again.policy, policy, "{name}");
    }
}
