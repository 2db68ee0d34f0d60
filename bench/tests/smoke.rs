//! The benchmarks still run, and measure what they say. Times are no part of it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;
use stormbolt::lab::require_root;
use stormbolt_bench::report::Report;
use stormbolt_bench::{Benchmark, CLASSIFY, Options, PIPELINE, RATE, TICK};

/// Held by what keeps all CPUs busy, and by what fails if a daemon does not get to its ticks meanwhile.
static CPUS: Mutex<()> = Mutex::new(());

fn all_cpus() -> MutexGuard<'static, ()> {
    CPUS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The cases and metrics that come out, each as `case metric`, when only these cases are wanted.
fn measured(benchmark: Benchmark, name: &str, cases: &[&str]) -> BTreeSet<String> {
    let options = Options {
        cases: cases.iter().map(ToString::to_string).collect(),
        rounds: 1,
        seed: 1,
    };
    let run = move || {
        let mut out = Vec::new();
        let mut report = Report::new(true, &mut out);
        benchmark.run(&options, &mut report).unwrap();
        report.finish().unwrap();
        String::from_utf8(out).unwrap()
    };
    // A thread of its own, since it stays on one CPU.
    let lines = thread::spawn(run).join().unwrap();
    lines.lines().map(|line| checked(line, name)).collect()
}

/// The case and metric of one line, which has the agreed form.
fn checked(line: &str, bench: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    let keys: Vec<_> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["bench", "case", "metric", "unit", "value"], "{line}");
    assert_eq!(value["bench"], bench);
    assert!(value["value"].as_f64().unwrap().is_finite(), "{line}");
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    assert!(!text("unit").is_empty(), "{line}");
    format!("{} {}", text("case"), text("metric"))
}

/// Fails unless each of `wanted`, as `case metric metric …`, was found.
fn assert_measured(found: &BTreeSet<String>, wanted: &[&str]) {
    for line in wanted {
        let (case, metrics) = line.split_once(' ').unwrap();
        for metric in metrics.split(' ') {
            let expected = format!("{case} {metric}");
            assert!(found.contains(&expected), "no {expected}: {found:?}");
        }
    }
}

/// Whether a program can be run.
fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// What outlives the processes that made it.
fn pins() -> BTreeSet<OsString> {
    let entries = fs::read_dir("/sys/fs/bpf").into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// One test, since two that load StormBolt in one process would take the other's program for
/// theirs.
#[test]
fn every_kind_of_case_is_measured() {
    if !require_root("every_kind_of_case_is_measured") {
        return;
    }
    let _cpus = all_cpus();
    let pinned = pins();
    // Over a link, a case fails if a frame of its gets past what has to drop it.
    let has_link = thread::available_parallelism().unwrap().get() > 1;

    let cases = ["ipc6-1k", "set4-1k", "peer-lpm-1k", "veth-set-1k"];
    let peers = ["peer-nft-set-1k", "peer-nft-chain-1k", "peer-xdp-filter"];
    let found = measured(CLASSIFY, "classify", &[&cases[..], &peers].concat());

    assert_measured(
        &found,
        &[
            "ipc6-1k over_empty over_empty_with_police",
            "ipc6-1k compile_time swap_time memory memory_of_maps",
            "set4-1k over_empty over_empty_with_police",
            "set4-1k compile_time swap_time memory memory_of_maps",
            "peer-lpm-1k over_empty",
        ],
    );
    if has_link {
        assert_measured(
            &found,
            &[
                "veth-drop-all cost rate relative_to_drop_all",
                "veth-set-1k cost rate relative_to_drop_all",
            ],
        );
    }
    if has_link && is_installed("nft") {
        assert_measured(
            &found,
            &[
                "peer-nft-set-1k cost rate relative_to_drop_all",
                "peer-nft-chain-1k cost rate relative_to_drop_all",
            ],
        );
    }
    if has_link && is_installed("xdp-filter") {
        assert_measured(
            &found,
            &[
                "peer-xdp-filter over_empty",
                "peer-xdp-filter-hosts-1k cost rate relative_to_drop_all",
            ],
        );
    }

    let cases = ["full-1k-rules", "veth-drop-1k", "priority-under", "peer-n"];
    let found = measured(PIPELINE, "pipeline", &cases);

    assert_measured(&found, &["full-1k-rules over_empty"]);
    if has_link {
        assert_measured(
            &found,
            &[
                "veth-drop-1k-rules cost rate relative_to_drop_all",
                "priority-under-flood loss policed_loss flood",
                "peer-none loss flood",
                "priority-under-ten-times loss policed_loss flood",
                "peer-none-ten-times loss flood",
            ],
        );
    }
    if has_link && is_installed("nft") {
        assert_measured(&found, &["peer-nft-limit loss flood"]);
    }

    let cases = ["police-stage", "classes-1k", "udp-10m"];
    let peers = ["peer-nft-limit-10m", "peer-htb-10m", "peer-tbf-10m"];
    let found = measured(RATE, "rate", &[&cases[..], &peers].concat());
    let ratios = "passed_over_target passed_over_target_first_second \
                  passed_over_target_least_100ms passed_over_target_most_100ms";
    assert_measured(&found, &["police-stage cost", "classes-1k over_empty"]);
    if has_link {
        assert_measured(
            &found,
            &[
                "police-stage-2cpu cost",
                &format!("udp-10m {ratios}"),
                &format!("udp-10m-2cpu {ratios}"),
            ],
        );
    }
    if has_link && is_installed("tc") {
        assert_measured(
            &found,
            &[
                &format!("peer-htb-10m {ratios}"),
                &format!("peer-tbf-10m {ratios}"),
            ],
        );
    }
    if has_link && is_installed("nft") {
        assert_measured(&found, &[&format!("peer-nft-limit-10m {ratios}")]);
    }

    let found = measured(TICK, "tick", &["1000-classes"]);
    assert_measured(&found, &["1000-classes-64-cpus p50 p99"]);
    assert_eq!(pins(), pinned, "maps or programs stay in /sys/fs/bpf");
}

#[test]
fn all_cases_are_there_that_have_a_target_or_are_compared_with_one() {
    let names = CLASSIFY.cases().unwrap();
    for family in ["acl", "fw", "ipc"] {
        for size in ["1k", "10k", "100k"] {
            for version in ["", "6"] {
                let case = format!("{family}{version}-{size}");
                assert!(names.contains(&case), "no {case}");
            }
        }
    }
    for size in ["1k", "100k", "1m"] {
        for kind in ["set4", "set6", "peer-lpm", "peer-lpm6"] {
            let case = format!("{kind}-{size}");
            assert!(names.contains(&case), "no {case}");
        }
    }
    let others = [
        "apply-100k",
        "apply-one-of-100k",
        "veth-drop-all",
        "veth-set-1k",
        "veth-set-100k",
        "veth-rules-1k",
        "peer-nft-set-1k",
        "peer-nft-set-100k",
        "peer-nft-chain-1k",
        "peer-xdp-filter",
        "peer-xdp-filter-hosts-1k",
    ];
    for case in others {
        assert!(names.iter().any(|name| name == case), "no {case}");
    }
    assert_eq!(
        PIPELINE.cases().unwrap(),
        [
            "full-1k-rules",
            "peer-xdp-filter",
            "veth-drop-all",
            "veth-drop-all-with-a-look",
            "veth-drop-1k-rules",
            "priority-under-flood",
            "peer-none",
            "peer-nft-limit",
            "priority-under-ten-times",
            "peer-none-ten-times",
            "peer-nft-limit-ten-times",
        ]
    );
    let names = RATE.cases().unwrap();
    for rate in ["1m", "10m", "100m", "1g", "10g"] {
        let peers = ["nft-limit", "htb", "tbf"].map(|peer| format!("peer-{peer}-{rate}"));
        let cases = [format!("udp-{rate}"), format!("udp-{rate}-2cpu")];
        for case in cases.iter().chain(&peers) {
            assert!(names.contains(case), "no {case}");
        }
    }
    for case in [
        "police-stage",
        "police-stage-2cpu",
        "classes-1k",
        "classes-100k",
    ] {
        assert!(names.iter().any(|name| name == case), "no {case}");
    }
    let names = TICK.cases().unwrap();
    assert_eq!(names, ["1000-classes-64-cpus", "100000-classes"]);
}

#[test]
fn no_two_cases_have_the_same_name() {
    for benchmark in [CLASSIFY, PIPELINE, RATE, TICK] {
        let names = benchmark.cases().unwrap();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }
}

#[test]
fn rest_measures_a_daemon_of_its_own() {
    if !require_root("rest_measures_a_daemon_of_its_own") {
        return;
    }
    let _cpus = all_cpus();
    // The program itself: it is the daemon, too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_stormbolt-bench"));
    command.args(["rest", "--json", "--rounds", "1", "--case", "1-class"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let found = lines.lines().map(|line| checked(line, "rest")).collect();
    assert_measured(
        &found,
        &[
            "1-class-1-rule share_of_a_core resident resident_anonymous resident_tables proportional",
        ],
    );
}
