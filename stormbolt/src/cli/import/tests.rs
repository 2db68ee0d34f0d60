//! Rule sets as files in, policy files and reports out.

use clap::Parser;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Args, Exit, Style, import};
use crate::config;

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!(
            "../../../../stormbolt-control/src/import/tests/samples/",
            $name
        ))
    };
}
const FILTERS: &str = sample!("filters.txt");
const SAVED: &str = sample!("saved.iptables");
const LISTED: &str = sample!("ruleset.nft");

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// Runs `stormbolt import FORMAT FILE` with these options; returns the policy and the report, in
/// which the file is called `FILE`.
fn run(format: &str, text: &str, options: &[&str]) -> (anyhow::Result<Exit>, String, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let words = ["import", format, path]
        .into_iter()
        .chain(options.iter().copied());
    let line = Line::try_parse_from(words).unwrap();
    let (mut policy, mut report) = (Vec::new(), Vec::new());
    let exit = import(
        &line.args,
        &mut policy,
        &mut report,
        Style { colour: false },
    );
    let report = String::from_utf8(report).unwrap().replace(path, "FILE");
    (exit, String::from_utf8(policy).unwrap(), report)
}

#[test]
fn a_filter_becomes_a_policy_file() {
    let text = "@10.0.0.0/8\t192.0.2.1/32\t0 : 65535\t80 : 80\t0x06/0xFF\t0x1000/0x1000\n";
    let (exit, policy, report) = run("classbench", text, &[]);
    assert_eq!(exit.unwrap(), Exit::Done);
    let expected = r#"# Translated by `stormbolt import` from a rule set of ClassBench.
# To do: set the interface: `eth0` is a guess (`--interface NAME`).
# To do: set the capacity of each interface to that of its link.

version = 1

[controller]
interval = "100ms"
law = "max-min"
failsafe = "hold"
failsafe-after = "1s"

[interface.eth0]
capacity = "1Gbit"
mode = "auto"

[class.imported]
priority = 3
rate = "0bit"
burst = "50ms"
weight = 1

[class.default]
priority = 3
rate = "0bit"
burst = "50ms"
weight = 1

[management]
exempt = true
ports = [22]

[[rule]]
src = ["10.0.0.0/8"]
dst = ["192.0.2.1/32"]
dst-port = [80]
protocol = ["tcp"]
tcp-flags = "ack"
class = "imported"

[default]
class = "default"
malformed = "drop"
"#;
    assert_eq!(policy, expected);
    assert_eq!(report, "FILE: 1 rule; 0 lines not translated\n");
}

#[test]
fn lines_that_are_not_translated_are_reported_with_text_and_reason() {
    let text = "*filter\n-A INPUT -s 10.0.0.0/8 -m state --state NEW -j DROP\n\
                -A INPUT -s 10.0.0.1 -j DROP\n";
    let (exit, policy, report) = run("iptables", text, &[]);
    assert_eq!(exit.unwrap(), Exit::Failed);
    assert!(
        policy.contains("\nsrc = [\"10.0.0.1/32\"]\naction = \"drop\"\n"),
        "{policy}"
    );
    assert_eq!(
        report,
        "FILE:2: not translated: match `state`: StormBolt looks at single packets and keeps no \
         state of connections or counts\n    -A INPUT -s 10.0.0.0/8 -m state --state NEW -j DROP\n\
         FILE: 1 rule; 1 line not translated\n"
    );

    let (exit, policy, strict) = run("iptables", text, &["--strict"]);
    assert_eq!((exit.unwrap(), policy.as_str()), (Exit::Failed, ""));
    assert_eq!(strict, report);
}

#[test]
fn the_policy_goes_where_the_options_say() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    let output = [
        "--interface",
        "wan0",
        "--capacity",
        "10Gbit",
        "--classes",
        "2",
        "-o",
    ];
    let options = [&output[..], &[path.to_str().unwrap()]].concat();
    let (_, policy, _) = run("classbench", FILTERS, &options);
    assert_eq!(policy, "");
    let loaded = config::load(&path).unwrap().0;
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.policy.interfaces[0].name, "wan0");
    assert_eq!(loaded.policy.interfaces[0].capacity.0, 10_000_000_000);
    assert_eq!(loaded.policy.classes[1].name, "class-1");
}

#[test]
fn names_that_no_policy_may_have_are_invalid() {
    let (exit, policy, _) = run("classbench", FILTERS, &["--class", "a b"]);
    assert_eq!(
        (Exit::of(&exit.unwrap_err()), policy.as_str()),
        (Exit::Invalid, "")
    );
}

#[test]
fn the_samples_become_valid_policies() {
    for (format, sample) in [
        ("classbench", FILTERS),
        ("iptables", SAVED),
        ("nft", LISTED),
    ] {
        let (exit, policy, report) = run(format, sample, &[]);
        assert_eq!(exit.unwrap(), Exit::Failed, "{format}");
        let loaded = config::parse("policy.toml", &policy).unwrap();
        assert!(report.contains("not translated: "), "{report}");
        assert!(loaded.policy.rules.len() > 3, "{format}");
    }
}

/// Lines of a sample moved, doubled and joined, and pieces put in.
fn mutated(sample: &'static str) -> impl Strategy<Value = String> {
    let pieces = [
        "! ",
        "!= ",
        "ü",
        "0.0.0.0/0",
        "::/0",
        "@web",
        "65535",
        "0",
        ",",
        " / ",
        "syn",
        "udp",
        "icmp",
        "-f ",
        "-p gre ",
        "th dport 5 ",
        "icmp type 3 ",
        "-i lo ",
        "\"",
        " : ",
        "0x00/0x00",
    ];
    let edit = (any::<Index>(), any::<Index>(), select(pieces.to_vec()));
    vec(edit, 1..12).prop_map(move |edits| {
        let mut words: Vec<&str> = sample.split_inclusive(' ').collect();
        for (at, from, piece) in edits {
            let copied = words[from.index(words.len())];
            let at = at.index(words.len());
            words.splice(at..=at, [copied, piece]);
        }
        words.concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// `import` checks the policy it has written, and fails if it is not valid.
    #[test]
    fn whatever_is_translated_is_a_valid_policy(
        filters in mutated(FILTERS), saved in mutated(SAVED), listed in mutated(LISTED),
    ) {
        for (format, text) in [("classbench", filters), ("iptables", saved), ("nft", listed)] {
            let (exit, _, _) = run(format, &text, &[]);
            prop_assert!(exit.is_ok(), "{:?}\n{text}", exit);
        }
    }
}
