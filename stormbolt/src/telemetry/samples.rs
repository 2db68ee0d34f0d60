//! What a machine without a kernel tells, for tests.

use jiff::Timestamp;
use stormbolt_control::units::Nanoseconds;

use super::documents::{FlowCacheStatus, RuleMemory, TableStatus, Tables};
use super::{Counted, Journal, Kind, RoundTripTimes, RuleCount, RunCounts, Snapshot};
use crate::api::documents::{DOCUMENT_VERSION, Status};
use crate::daemon::fake;
use crate::sampling::SampleCounts;

pub(crate) fn tables() -> Tables {
    let table = |table: &str, used_entries, limit_entries| TableStatus {
        table: table.to_owned(),
        used_entries,
        limit_entries,
    };
    Tables {
        version: DOCUMENT_VERSION,
        rule_memory: RuleMemory {
            used_bytes: 4_096,
            limit_bytes: 1 << 20,
        },
        tables: vec![table("rules", 1, 131_072), table("sources", 60_000, 65_536)],
        moved_slots: 12,
        flow_caches: vec![FlowCacheStatus {
            cpu: 0,
            limit_flows: 65_536,
            looked_up_packets: 1_000,
            missed_packets: 10,
            is_sampling: false,
            windows: 3,
        }],
    }
}

pub(crate) fn counted(limit: usize) -> Counted {
    let mut classes = fake::classes().classes;
    let omitted_classes = classes.len().saturating_sub(limit);
    classes.truncate(limit);
    let rules = fake::rules().rules.into_iter().map(|rule| RuleCount {
        name: rule.name,
        packets: rule.packets,
        bytes: rule.bytes,
    });
    Counted {
        classes,
        omitted_classes,
        rules: rules.collect(),
        omitted_rules: 0,
    }
}

pub(crate) fn status() -> Status {
    Status {
        version: DOCUMENT_VERSION,
        daemon_version: "0.1.0".to_owned(),
        pid: 4242,
        uptime_seconds: 3725,
        generation: 7,
        policy_source: "/etc/stormbolt/stormbolt.toml".to_owned(),
        interval_milliseconds: 100,
        ticks: 37_250,
        last_tick_microseconds: 85,
        interface_count: 1,
        class_count: 2,
        rule_count: 1,
        confirm_within_seconds: None,
        notices: vec!["interface eth0 runs in generic mode".to_owned()],
    }
}

/// Everything that metrics are made of.
pub(crate) fn snapshot() -> Snapshot {
    let mut run = RunCounts::default();
    for microseconds in [85, 90, 700_000] {
        let took = Nanoseconds(microseconds * 1_000);
        run.ticked(took, Nanoseconds::from_millis(100));
    }
    let journal = Journal::default();
    journal.record(Timestamp::UNIX_EPOCH, Kind::PolicyApplied, "generation 7");
    Snapshot {
        status: status(),
        run,
        events: journal.counts(),
        silent_in: Some(Nanoseconds::from_millis(2_500)),
        interfaces: fake::adaptive_interfaces(),
        counted: counted(10),
        cpus: fake::cpus(),
        sources: fake::sources(),
        tables: tables(),
        sampled: SampleCounts {
            shown: 5_000,
            no_room: 2,
            over_limit: 30,
            round_trips: 3,
        },
        round_trips: round_trips(),
        class_names: [(4, "gold".to_owned())].into(),
    }
}

fn round_trips() -> RoundTripTimes {
    let mut times = RoundTripTimes::default();
    for (class, milliseconds) in [(4, 20), (4, 30), (9, 2)] {
        times.note(class, Nanoseconds::from_millis(milliseconds));
    }
    times
}
