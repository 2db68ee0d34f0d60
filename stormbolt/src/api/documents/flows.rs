//! What is known from sampled packets.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use stormbolt_control::units::BitsPerSecond;
use utoipa::ToSchema;

/// Answer of `GET /v1/flows`. Rates are estimates from samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flows {
    /// Version of all documents.
    pub version: u32,
    /// Which packets are sampled, and what came of it.
    pub sampling: SamplingStatus,
    /// The flows that send most, the largest first.
    pub flows: Vec<FlowStatus>,
    /// The sources that do.
    pub sources: Vec<TalkerStatus>,
}

/// Which packets are sampled, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SamplingStatus {
    /// One packet in so many is sampled, on average; 1: all are.
    pub one_packet_in: u32,
    /// Of one TCP connection in so many all packets are, for round-trip times; 1: of all.
    pub one_connection_in: u32,
    /// Packets that were sampled.
    pub sampled_packets: u64,
    /// Packets that were to be sampled and for which there was no room.
    pub no_room_packets: u64,
    /// Packets that were to be sampled and were more than may be in a moment; the ones that are stand for them.
    pub over_limit_packets: u64,
    /// Round trips that were measured.
    pub round_trips: u64,
}

/// A flow, in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowStatus {
    /// The interface that it arrives on.
    pub interface: String,
    /// Source address.
    #[schema(value_type = String, format = "ip")]
    pub source: IpAddr,
    /// Source port, if the protocol has ports.
    pub source_port: Option<u16>,
    /// Destination address.
    #[schema(value_type = String, format = "ip")]
    pub destination: IpAddr,
    /// Destination port, likewise.
    pub destination_port: Option<u16>,
    /// IP protocol, by name or number.
    pub protocol: String,
    /// Round trips to the source: the shortest one.
    pub least_round_trip_microseconds: Option<u64>,
    /// Those of late, smoothed as TCP does (RFC 6298).
    pub round_trip_microseconds: Option<u64>,
    /// How many were measured.
    pub round_trips: u64,
    /// The class of the last packet, if it has one.
    pub class: Option<String>,
    /// What became of the last packet.
    pub outcome: String,
    /// What arrives.
    pub offered_bits_per_second: BitsPerSecond,
    /// What of it is dropped.
    pub dropped_bits_per_second: BitsPerSecond,
    /// Packets that arrive.
    pub packets_per_second: u64,
    /// When the last sampled packet came.
    pub last_seen_milliseconds_ago: u64,
}

/// A source of packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TalkerStatus {
    /// The interface that they arrive on.
    pub interface: String,
    /// Its address.
    #[schema(value_type = String, format = "ip")]
    pub source: IpAddr,
    /// The class of the last packet, if it has one.
    pub class: Option<String>,
    /// What became of the last packet.
    pub outcome: String,
    /// What arrives.
    pub offered_bits_per_second: BitsPerSecond,
    /// What of it is dropped.
    pub dropped_bits_per_second: BitsPerSecond,
    /// Packets that arrive.
    pub packets_per_second: u64,
    /// When the last sampled packet came.
    pub last_seen_milliseconds_ago: u64,
}
