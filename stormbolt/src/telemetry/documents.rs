//! The JSON documents about the daemon itself: tables and events.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `GET /v1/tables`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tables {
    /// Version of all documents.
    pub version: u32,
    /// The memory of compiled rules and sets.
    pub rule_memory: RuleMemory,
    /// The tables that have a number of entries.
    pub tables: Vec<TableStatus>,
    /// Slots that the controller has given to another CPU since the daemon started.
    pub moved_slots: u64,
    /// The flow caches, by CPU; none where flows are not remembered.
    pub flow_caches: Vec<FlowCacheStatus>,
}

/// The memory of compiled rules and sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleMemory {
    /// What the policy in force takes.
    pub used_bytes: u64,
    /// What one policy may take.
    pub limit_bytes: u64,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableStatus {
    /// `rules`, `classes`, `interfaces`, `cells` (pairs of interface and class), `cpu_sets` or `sources`.
    pub table: String,
    /// Entries that are taken; of `sources` those that have been used, estimated by a sample.
    pub used_entries: u64,
    /// Entries that there are.
    pub limit_entries: u64,
}

/// How well the flow cache of one CPU does. Its counts begin anew with each window of packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowCacheStatus {
    /// The CPU.
    pub cpu: u32,
    /// IPv4 flows that it has room for.
    pub limit_flows: u32,
    /// Packets of this window that were looked up.
    pub looked_up_packets: u32,
    /// Those of them whose flow was not known.
    pub missed_packets: u32,
    /// Whether few flows are looked up, because most were not found.
    pub is_sampling: bool,
    /// Windows so far, modulo 2^32.
    pub windows: u32,
}

/// Answer of `GET /v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    /// Version of all documents.
    pub version: u32,
    /// Number of the last event so far; 0: there has been none.
    pub last_sequence: u64,
    /// Events that were asked for and are no longer kept.
    pub missed_events: u64,
    /// The events, the oldest first.
    pub events: Vec<EventStatus>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventStatus {
    /// Its number: 1 is the first since the daemon started, and none is left out.
    pub sequence: u64,
    /// When, in UTC, by RFC 3339.
    pub time: String,
    /// The same in milliseconds since 1970.
    pub unix_milliseconds: u64,
    /// What kind of thing, such as `policy_applied`.
    pub kind: String,
    /// `info`, `warning` or `error`.
    pub severity: String,
    /// What happened, on one line.
    pub message: String,
}
