//! The exposition of a snapshot, and the list of metrics beside it.

use std::collections::BTreeSet;

use super::{catalogue, openmetrics};
use crate::telemetry::samples::snapshot;
use crate::telemetry::{RuleCount, Snapshot};

fn exposition(snapshot: Snapshot) -> String {
    openmetrics(snapshot).unwrap()
}

fn has(text: &str, line: &str) {
    assert!(
        text.lines().any(|one| one == line),
        "no `{line}` in\n{text}"
    );
}

#[test]
fn the_exposition_has_the_values_in_base_units() {
    let text = exposition(snapshot());
    for line in [
        "stormbolt_build_info{version=\"0.1.0\"} 1",
        "stormbolt_uptime_seconds 3725",
        "stormbolt_policy_objects{kind=\"class\"} 2",
        "stormbolt_events_total{kind=\"policy_applied\"} 1",
        "stormbolt_controller_interval_seconds 0.1",
        "stormbolt_tick_duration_seconds_count 3",
        "stormbolt_tick_duration_seconds_bucket{le=\"0.0001\"} 2",
        "stormbolt_tick_duration_seconds_bucket{le=\"+Inf\"} 3",
        "stormbolt_ticks_overrun_total 1",
        "stormbolt_failsafe_active 0",
        "stormbolt_failsafe_deadline_seconds 2.5",
        "stormbolt_interface_attached{interface=\"eth0\",mode=\"native\"} 1",
        "stormbolt_interface_outcome_packets_total{interface=\"eth0\",outcome=\"over_rate\",verdict=\"dropped\"} 12345",
        "stormbolt_interface_queue_delay_seconds{interface=\"eth0\"} 0.00124",
        "stormbolt_interface_probe_lost_total{interface=\"eth0\",probe=\"192.0.2.2\"} 3",
        "stormbolt_class_passed_bytes_total{interface=\"eth0\",class=\"gold\"} 100000000",
        "stormbolt_class_offered_packets_total{interface=\"eth0\",class=\"bulk\"} 1012345",
        "stormbolt_class_ahead_packets_total{interface=\"eth0\",class=\"bulk\"} 77",
        "stormbolt_class_marked_packets_total{interface=\"eth0\",class=\"bulk\"} 55",
        "stormbolt_class_rate_bytes_per_second{interface=\"eth0\",class=\"bulk\"} 100000000.0",
        "stormbolt_source_refused_packets_total{interface=\"eth0\",class=\"bulk\"} 3000",
        "stormbolt_rule_matched_packets_total{rule=\"rule 1\"} 1000000",
        "stormbolt_sampled_packets_total{result=\"over_limit\"} 30",
        "stormbolt_tcp_round_trip_duration_seconds_count 3",
        "stormbolt_tcp_round_trip_duration_seconds_bucket{le=\"0.025\"} 2",
        "stormbolt_class_tcp_round_trips_total{class=\"gold\"} 2",
        "stormbolt_class_tcp_round_trip_duration_seconds_total{class=\"gold\"} 0.05",
        "stormbolt_cpu_received_packets_total{cpu=\"1\"} 1234",
        "stormbolt_table_used_entries{table=\"sources\"} 60000",
        "stormbolt_rule_memory_limit_bytes 1048576",
        "stormbolt_flow_cache_window_misses{cpu=\"0\"} 10",
    ] {
        has(&text, line);
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(
        !text.contains(" info\n"),
        "the format before OpenMetrics knows no such type"
    );
}

#[test]
fn every_metric_of_the_list_has_help_and_samples_and_a_name_of_its_own() {
    let text = exposition(snapshot());
    let mut names = BTreeSet::new();
    for metric in catalogue() {
        assert!(metric.help.ends_with('.'), "{metric:?}");
        assert!(names.insert(metric.name.clone()), "twice: {metric:?}");
        let bare = metric.name.trim_end_matches("_total");
        assert!(
            text.contains(&format!("# HELP {bare} {}", metric.help)),
            "{metric:?}"
        );
        let first = text.lines().find(|line| line.starts_with(&metric.name));
        let first = first.unwrap_or_else(|| panic!("no sample of {metric:?}"));
        for label in metric.labels {
            assert!(
                first.contains(&format!("{label}=\"")),
                "{metric:?}: {first}"
            );
        }
    }
}

#[test]
fn every_sample_is_of_a_metric_of_the_list() {
    let names: BTreeSet<String> = catalogue().into_iter().map(|metric| metric.name).collect();
    for line in exposition(snapshot()).lines() {
        if line.starts_with('#') {
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap();
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix));
        assert!(names.contains(of_histogram.unwrap_or(name)), "{line}");
    }
}

#[test]
fn a_name_that_could_end_its_label_does_not() {
    let mut odd = snapshot();
    odd.counted.rules = vec![RuleCount {
        name: "a\"} 7\\\n#".to_owned(),
        packets: 1,
        bytes: 2,
    }];
    let line = r#"stormbolt_rule_matched_bytes_total{rule="a\"} 7\\\n#"} 2"#;
    has(&exposition(odd), line);
}

#[test]
fn a_controller_that_is_given_up_or_never_will_be_is_told_apart() {
    let mut silent = snapshot();
    silent.silent_in = Some(stormbolt_control::units::Nanoseconds(0));
    has(&exposition(silent), "stormbolt_failsafe_active 1");
    let mut held = snapshot();
    held.silent_in = None;
    let text = exposition(held);
    has(&text, "stormbolt_failsafe_active 0");
    assert!(
        !text.contains("\nstormbolt_failsafe_deadline_seconds "),
        "{text}"
    );
}
