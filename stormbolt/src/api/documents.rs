//! The JSON documents of the API and of `-o json`: stable, versioned, integer units in the key.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use stormbolt_control::units::BitsPerSecond;
use utoipa::ToSchema;

use crate::config::Finding;

mod capture;
mod changes;
mod flows;

pub use capture::{CaptureCourse, CaptureLine, CaptureRequest, CapturedIp, CapturedPacket};
pub use changes::{Applied, ChangedSet, History, PastPolicy, PolicyChange, TrafficEffect};
pub use flows::{FlowStatus, Flows, SamplingStatus, TalkerStatus};

/// Version of all documents; raised when a field changes its meaning or goes away.
pub const DOCUMENT_VERSION: u32 = 1;

/// Answer of `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of all documents.
    pub version: u32,
    /// Version of the daemon, as in `Cargo.toml`.
    pub daemon_version: String,
    /// Process number of the daemon.
    pub pid: u32,
    /// Seconds since the daemon started.
    pub uptime_seconds: u64,
    /// Generation of the policy in force.
    pub generation: u32,
    /// Where the policy in force came from: a path, or `api`.
    pub policy_source: String,
    /// The controller's period.
    pub interval_milliseconds: u64,
    /// Ticks since the daemon started.
    pub ticks: u64,
    /// Time that the last tick took.
    pub last_tick_microseconds: u64,
    /// Interfaces, classes and rules in the policy.
    pub interface_count: usize,
    /// Classes in the policy.
    pub class_count: usize,
    /// Rules in the policy.
    pub rule_count: usize,
    /// The policy in force is undone after that time, unless it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within_seconds: Option<u64>,
    /// Things that the operator should know, for example a fallback to generic mode.
    pub notices: Vec<String>,
}

/// Answer of `GET /v1/progress`, which comes at once even when the daemon is too busy for all else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Version of all documents.
    pub version: u32,
    /// The policy that is being compiled; nothing most of the time.
    pub compiling: Option<CompilingStatus>,
}

/// A policy that is being compiled. How much is left is not known before the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompilingStatus {
    /// For how long.
    pub elapsed_milliseconds: u64,
    /// Its rules.
    pub rule_count: u64,
    /// What its tables take so far.
    pub table_bytes: u64,
    /// What they may take at most.
    pub table_limit_bytes: u64,
}

/// Answer of `GET /v1/interfaces`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Interfaces {
    /// Version of all documents.
    pub version: u32,
    /// One per interface of the policy.
    pub interfaces: Vec<InterfaceStatus>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// Its number.
    pub ifindex: u32,
    /// `native` or `generic`.
    pub mode: String,
    /// What the link carries; where the capacity follows the link, what is in force.
    pub capacity_bits_per_second: BitsPerSecond,
    /// How the capacity follows the link, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<AdaptiveStatus>,
    /// The XDP program of somebody else that goes on with what passes, where the policy names one (`then`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<FollowerStatus>,
    /// Frames that arrived since attaching.
    pub received_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Frames by what became of them; each frame is in exactly one.
    pub outcomes: Vec<OutcomeCount>,
}

/// A program that goes on with the packets which pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FollowerStatus {
    /// Where it was pinned when the policy came into force.
    pub path: String,
    /// Its number in the kernel.
    pub program_id: u32,
    /// Its name there, the first 15 bytes.
    pub program_name: String,
}

/// How the capacity of an interface follows its link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdaptiveStatus {
    /// The capacity that it starts with, and drifts back to while little arrives.
    pub start_bits_per_second: BitsPerSecond,
    /// The lowest capacity.
    pub min_bits_per_second: BitsPerSecond,
    /// The highest capacity.
    pub max_bits_per_second: BitsPerSecond,
    /// What arrives in the classes, drops included.
    pub arrived_bits_per_second: BitsPerSecond,
    /// From which delay on packets are taken to queue up.
    pub delay_target_microseconds: u64,
    /// How long packets queue up before the bottleneck; nothing: nobody answers echo requests.
    pub queue_delay_microseconds: Option<u64>,
    /// What the capacity does: `start`, `bufferbloat`, `missed-frames`, `looking`, `busy`, `idle`, `waiting`,
    /// `steady` or `no-answer`.
    pub state: String,
    /// The last change; nothing: it is the one that it started with.
    pub last_change: Option<CapacityChange>,
    /// The addresses that are asked.
    pub probes: Vec<ProbeStatus>,
}

/// A change of a capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapacityChange {
    /// Why: `bufferbloat`, `missed-frames`, `looking`, `busy` or `idle`.
    pub reason: String,
    /// The capacity before.
    pub from_bits_per_second: BitsPerSecond,
    /// How long before the last tick.
    pub age_milliseconds: u64,
}

/// An address that is asked for the delay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeStatus {
    /// Which.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Echo requests that were answered.
    pub answered: u64,
    /// Those that were not, in time.
    pub lost: u64,
    /// What an answer takes without a queue; nothing: there has been none.
    pub baseline_microseconds: Option<u64>,
    /// What answers take beyond that; nothing: there are none at present.
    pub queue_delay_microseconds: Option<u64>,
}

/// Frames with one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeCount {
    /// Name of the outcome, for example `over_rate`.
    pub outcome: String,
    /// Whether such frames are dropped.
    pub dropped: bool,
    /// Frames.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Answer of `GET /v1/classes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Classes {
    /// Version of all documents.
    pub version: u32,
    /// One per class and interface, in the order of the policy.
    pub classes: Vec<ClassStatus>,
}

/// One class on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassStatus {
    /// Name of the class.
    pub name: String,
    /// Name of the interface.
    pub interface: String,
    /// Names of the groups that it is in, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Priority, 0 first.
    pub priority: u8,
    /// Guaranteed rate.
    pub guarantee_bits_per_second: BitsPerSecond,
    /// Highest rate; the interface's capacity where the policy names none.
    pub ceil_bits_per_second: BitsPerSecond,
    /// The rate in force, as the controller last set it.
    pub rate_bits_per_second: BitsPerSecond,
    /// Traffic that arrived in the last interval, drops included.
    pub offered_bits_per_second: BitsPerSecond,
    /// Traffic that passed in the last interval.
    pub passed_bits_per_second: BitsPerSecond,
    /// Packets passed since the class exists.
    pub passed_packets: u64,
    /// Bytes passed since the class exists.
    pub passed_bytes: u64,
    /// Packets dropped for want of tokens since the class exists.
    pub dropped_packets: u64,
    /// Bytes dropped for want of tokens since the class exists.
    pub dropped_bytes: u64,
    /// Packets, of those that passed, that the rate did not pay for: they passed ahead of it, and what comes after them
    /// pays; or they passed beside those, by the half of the rate that others have meanwhile.
    #[serde(default)]
    pub ahead_packets: u64,
    /// Those of them that were marked (ECN, RFC 3168) instead of being dropped.
    #[serde(default)]
    pub marked_packets: u64,
    /// CPUs that the class's flows are spread over; empty: they stay where they arrive.
    pub cpus: Vec<u32>,
}

/// Answer of `GET /v1/rules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rules {
    /// Version of all documents.
    pub version: u32,
    /// What is looked at before them and no policy has: what is exempt from its rules.
    #[serde(default)]
    pub built_in: Vec<RuleStatus>,
    /// The rules in order.
    pub rules: Vec<RuleStatus>,
}

/// In the place of a position: the rule is none of the policy.
pub const BUILT_IN: usize = 0;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleStatus {
    /// Position, from 1; 0 for one that is built in.
    pub position: usize,
    /// Its name.
    pub name: String,
    /// What it matches, in the words of the policy file.
    pub matches: String,
    /// The class, or `pass`, or `drop`.
    pub action: String,
    /// Packets that it matched since it exists.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Answer of `GET /v1/sets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sets {
    /// Version of all documents.
    pub version: u32,
    /// The sets in the order of the policy.
    pub sets: Vec<SetStatus>,
}

/// One set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetStatus {
    /// Its name.
    pub name: String,
    /// IPv4 prefixes in it.
    pub ipv4_prefixes: usize,
    /// IPv6 prefixes in it.
    pub ipv6_prefixes: usize,
    /// Names of the rules that refer to it, negated or not, in order.
    pub rules: Vec<String>,
}

/// Answer of `GET /v1/cpus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cpus {
    /// Version of all documents.
    pub version: u32,
    /// One per possible CPU.
    pub cpus: Vec<CpuStatus>,
}

/// One CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CpuStatus {
    /// Its number.
    pub cpu: u32,
    /// Packets that the program saw on it since it was loaded.
    pub received_packets: u64,
    /// Packets per second that the program saw on it in the last interval.
    pub received_packets_per_second: u64,
    /// Slots, over all CPU sets, that lead to it.
    pub slots: usize,
    /// Packets per second of those slots in the last interval.
    pub steered_packets_per_second: u64,
}

/// Answer of `GET /v1/sources`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sources {
    /// Version of all documents.
    pub version: u32,
    /// The classes with a limit on each source, interface by interface.
    pub classes: Vec<SourceClass>,
    /// The sources that were refused most, by bytes; a hundred at most. The memory for them is bounded: one that was refused
    /// little may be missing, and what it was refused before others took its place does not count.
    pub sources: Vec<SourceStatus>,
}

/// What was refused of the sources of one class on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceClass {
    /// The class.
    pub class: String,
    /// The interface.
    pub interface: String,
    /// What each source may have.
    pub limit_bits_per_second: BitsPerSecond,
    /// Packets refused since the program was loaded.
    pub refused_packets: u64,
    /// Their bytes.
    pub refused_bytes: u64,
    /// Sources that were forgotten while they had not all of their burst, because others took their place.
    pub displaced_sources: u64,
}

/// A source that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceStatus {
    /// An address, or a prefix where the class tells sources apart by prefixes.
    pub source: String,
    /// The class.
    pub class: String,
    /// The interface.
    pub interface: String,
    /// Packets refused.
    pub refused_packets: u64,
    /// Their bytes.
    pub refused_bytes: u64,
    /// Seconds since the last of them.
    pub last_refused_seconds_ago: u64,
}

/// Result of `stormbolt check -o json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Version of all documents.
    pub version: u32,
    /// Whether the policy can be applied.
    pub valid: bool,
    /// Errors and warnings, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Body of `PATCH /v1/classes/{name}`: what is given is changed. Values as in a policy file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassChange {
    /// 0 to 7.
    pub priority: Option<u8>,
    /// Guaranteed rate, `500Mbit`.
    pub rate: Option<String>,
    /// Highest rate; `capacity` for the interface's capacity.
    pub ceil: Option<String>,
    /// Depth of the bucket, `20ms` or `64KiB`.
    pub burst: Option<String>,
    /// 1 to 1000.
    pub weight: Option<u32>,
    /// `0-1,3`; `none` to leave packets where they arrive.
    pub cpus: Option<String>,
}

/// Body of `PATCH /v1/sets/{name}`. A change that leaves the set as it is makes no new generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetChange {
    /// Prefixes and addresses that are in the set from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Prefixes and addresses that are not in it from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// Body of `POST /v1/rules` and `PATCH /v1/rules/{name}`. At most one of `before`, `after` and
/// `position` is given; without, a new rule comes last and another one stays where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleChange {
    /// Keys and values as below `[[rule]]` in a policy file; `null` takes a key away. A new rule must
    /// have a `name`.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub rule: serde_json::Map<String, serde_json::Value>,
    /// Name of the rule that it stands right before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Name of the rule that it stands right behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Its position then, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
}

/// Body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Version of all documents.
    pub version: u32,
    /// What went wrong, on one line.
    pub error: String,
    /// Where the change was made for another one: the generation in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// For an invalid policy: each finding with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}
