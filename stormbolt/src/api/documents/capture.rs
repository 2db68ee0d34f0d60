//! What a capture is asked for, and what it answers with.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `POST /v1/capture`: what packets must be like, all of it; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaptureRequest {
    /// They arrive on this interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// They are of this class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// This becomes of them; the names are those of `show interfaces`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// They are dropped, or they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<bool>,
    /// They come from this address or prefix or go there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// They come from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    /// They go there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst: Option<String>,
    /// One of their ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Their IP protocol, by name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// One packet in so many of those; 1, as many as can be had, if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_packet_in: Option<u32>,
    /// It ends after so many packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// It ends after so much time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_milliseconds: Option<u64>,
}

/// A line of what `POST /v1/capture` answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CaptureLine {
    /// A packet.
    Packet(Box<CapturedPacket>),
    /// How far it is: about once a second, and on the last line.
    Course(CaptureCourse),
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapturedPacket {
    /// When it arrived, in nanoseconds since 1970.
    pub unix_nanoseconds: u64,
    /// The interface that it arrived on.
    pub interface: String,
    /// The CPU that it arrived on.
    pub cpu: u32,
    /// Length of the frame, without FCS.
    pub frame_bytes: u32,
    /// The class, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The rule that it matched, if it matched one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What became of it; the names are those of `show interfaces`.
    pub outcome: String,
    /// Whether it was dropped.
    pub dropped: bool,
    /// For how many packets like it it stands, in halves; 0: it was taken because its connection is watched.
    pub stands_for_halves: u64,
    /// Its headers, if it is IP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<CapturedIp>,
    /// How the frame begins, as the program has left it: hexadecimal digits.
    pub frame: String,
}

/// The headers of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapturedIp {
    /// Source address.
    #[schema(value_type = String, format = "ip")]
    pub source: IpAddr,
    /// Destination address.
    #[schema(value_type = String, format = "ip")]
    pub destination: IpAddr,
    /// IP protocol, by name or number.
    pub protocol: String,
    /// Source port, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// Destination port, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// TCP flags that are set, `syn,ack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_flags: Option<String>,
}

/// How far a capture is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaptureCourse {
    /// Packets that were sent so far.
    pub captured_packets: u64,
    /// Packets that were lost because they were not taken fast enough.
    pub lost_packets: u64,
    /// Packets of any kind that the data path was to show meanwhile and did not, since they were too many.
    pub not_shown_packets: u64,
    /// On the last line, why it is: `count`, `duration`, `policy` (its class is gone) or `daemon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
}
