//! The benchmarks still run, and measure what they say. Times are no part of it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use stormbolt::lab::require_root;
use stormbolt_bench::classify::{self, Options};
use stormbolt_bench::report::Report;

/// The cases and metrics that come out when only these cases are wanted.
fn measured(cases: &[&str]) -> Vec<(String, String)> {
    let options = Options {
        cases: cases.iter().map(ToString::to_string).collect(),
        rounds: 1,
        seed: 1,
    };
    let mut out = Vec::new();
    let mut report = Report::new(true, &mut out);
    classify::run(&options, &mut report).unwrap();
    report.finish().unwrap();
    let lines = String::from_utf8(out).unwrap();
    let lines = lines.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["bench"], "classify");
        assert!(value["value"].as_f64().unwrap().is_finite(), "{line}");
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        assert!(!text("unit").is_empty());
        (text("case"), text("metric"))
    });
    lines.collect()
}

/// One test, since two that load StormBolt in one process would take the other's program for
/// theirs.
#[test]
fn every_kind_of_case_is_measured() {
    if !require_root("every_kind_of_case_is_measured") {
        return;
    }
    let mut wanted = vec![
        ("ipc6-1k", "over_empty"),
        ("ipc6-1k", "over_empty_with_police"),
        ("ipc6-1k", "compile_time"),
        ("ipc6-1k", "swap_time"),
        ("ipc6-1k", "table_memory"),
        ("ipc6-1k", "memory"),
        ("set4-1k", "over_empty"),
        ("peer-lpm-1k", "over_empty"),
    ];
    if std::thread::available_parallelism().unwrap().get() > 1 {
        // These fail if a frame of theirs gets past what drops them.
        wanted.extend([("veth-drop-all", "cost"), ("veth-set-1k", "cost")]);
        wanted.push(("veth-set-1k", "relative_to_drop_all"));
    }

    let found = measured(&["ipc6-1k", "set4-1k", "peer-lpm-1k", "veth-set-1k"]);

    for (case, metric) in wanted {
        let expected = (case.to_owned(), metric.to_owned());
        assert!(found.contains(&expected), "no {case} {metric}: {found:?}");
    }
}
