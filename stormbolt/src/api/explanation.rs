//! The documents of `POST /v1/explain`: a question about one packet, and its answer.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use stormbolt_control::units::BitsPerSecond;
use utoipa::ToSchema;

/// Near misses that are named where the question does not say how many.
pub const DEFAULT_LIMIT: usize = 10;
/// Near misses that are named at most.
pub const MAX_LIMIT: usize = 1000;

/// Body of `POST /v1/explain`: an arriving packet. Values as in a policy file.
///
/// Either `frame` has all of it, or the other fields say what it is: then `src`, `dst` and, for
/// protocols with ports, `dst_port` are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Question {
    /// The interface that it arrives on; may be left out where the policy has only one.
    pub interface: Option<String>,
    /// The whole frame in hexadecimal, from the Ethernet header on, without FCS.
    pub frame: Option<String>,
    /// Source address.
    #[schema(value_type = Option<String>)]
    pub src: Option<IpAddr>,
    /// Destination address.
    #[schema(value_type = Option<String>)]
    pub dst: Option<IpAddr>,
    /// Protocol, by name or number; `tcp` where nothing says otherwise.
    pub protocol: Option<Word>,
    /// Source port; 49152 where it is not given.
    pub src_port: Option<u16>,
    /// Destination port.
    pub dst_port: Option<u16>,
    /// Differentiated services code point, by name or number; 0 where it is not given.
    pub dscp: Option<Word>,
    /// VLAN identifier; untagged where it is not given.
    pub vlan: Option<u16>,
    /// The TCP flags that are set, `syn,ack`; `none` for none, `syn` where they are not given.
    pub tcp_flags: Option<String>,
    /// ICMP or ICMPv6 type, by name or number; `echo-request` where it is not given.
    pub icmp_type: Option<Word>,
    /// Place in a fragmented datagram.
    pub fragment: Option<Place>,
    /// Length of the frame, Ethernet header included, FCS excluded; as short as can be where it is
    /// not given.
    pub length_bytes: Option<u16>,
    /// Near misses that are named: at most 1000, and 10 where it is not given.
    pub limit: Option<usize>,
}

/// A number, or a name that stands for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a number or a name")]
pub enum Word {
    /// A number.
    Number(u16),
    /// A name, or a number in quotes.
    Name(String),
}

/// Where in a fragmented datagram a packet stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Not fragmented.
    #[default]
    No,
    /// The first fragment, which carries the transport header.
    First,
    /// A later fragment, which does not.
    Later,
}

/// Answer of `POST /v1/explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Version of all documents.
    pub version: u32,
    /// Generation of the policy that was asked.
    pub generation: u32,
    /// The interface that the packet was said to arrive on.
    pub interface: String,
    /// The frame that was asked about, in hexadecimal.
    pub frame: String,
    /// What rules saw of it; missing for what is not classified.
    pub packet: Option<PacketValues>,
    /// `rule`, `built-in` (exempt from the rules), `default` (no rule matches) or `none` (not classified).
    pub decided_by: String,
    /// The rule that matches.
    pub rule: Option<MatchedRule>,
    /// `class`, `pass` or `drop`.
    pub action: String,
    /// The class that takes the packet.
    pub class: Option<String>,
    /// Why the packet is not classified.
    pub not_classified: Option<NotClassified>,
    /// Rules before the one that matches; all of them where none does.
    pub rules_before: usize,
    /// Of these the ones that came closest, those with the fewest failing fields first.
    pub near_misses: Vec<NearMiss>,
    /// All others, by the first field that failed.
    pub others: Vec<FailedFirst>,
    /// What is left of the class's rate.
    pub headroom: Option<Headroom>,
    /// What each source of the class may have, which is looked at before the class's own rate.
    #[serde(default)]
    pub per_source_bits_per_second: Option<BitsPerSecond>,
    /// Where the class's packets go on.
    pub steering: Option<Steering>,
    /// The loaded program and the policy's text say different things: a bug to report.
    pub disagreement: Option<String>,
}

/// The values of a packet that rules look at; what the packet does not have is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PacketValues {
    /// Source address.
    #[schema(value_type = String)]
    pub src: IpAddr,
    /// Destination address.
    #[schema(value_type = String)]
    pub dst: IpAddr,
    /// Protocol number of the transport header.
    pub protocol: u8,
    /// Source port.
    pub src_port: Option<u16>,
    /// Destination port.
    pub dst_port: Option<u16>,
    /// Differentiated services code point.
    pub dscp: u8,
    /// VLAN identifier.
    pub vlan: Option<u16>,
    /// The TCP flags that are set, `syn,ack` or `none`.
    pub tcp_flags: Option<String>,
    /// ICMP or ICMPv6 type.
    pub icmp_type: Option<u8>,
    /// Place in a fragmented datagram.
    pub fragment: Place,
    /// Length of the frame.
    pub length_bytes: u32,
}

/// The rule that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MatchedRule {
    /// Position, from 1; 0 for one that is built in.
    pub position: usize,
    /// Its name.
    pub name: String,
    /// What it matches, in the words of the policy file.
    pub matches: String,
}

/// Why a packet is not classified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotClassified {
    /// Name of the outcome that it is counted in, for example `truncated`.
    pub outcome: String,
    /// What that means.
    pub meaning: String,
}

/// A rule before the one that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NearMiss {
    /// Position, from 1; 0 for one that is built in.
    pub position: usize,
    /// Its name.
    pub name: String,
    /// The class, or `pass`, or `drop`.
    pub action: String,
    /// The fields that do not accept the packet.
    pub failed: Vec<FailedField>,
}

/// A field of a rule that does not accept the packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedField {
    /// Its key in a policy file.
    pub field: String,
    /// What the rule accepts, in the words of the policy file.
    pub wants: String,
    /// What the packet has; `none` where it has no such value.
    pub has: String,
}

/// Rules that failed on the same field first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedFirst {
    /// The field's key in a policy file.
    pub field: String,
    /// How many rules.
    pub rules: usize,
}

/// What is left of a class's rate on the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Headroom {
    /// The rate in force.
    pub rate_bits_per_second: BitsPerSecond,
    /// Traffic that passed in the last interval.
    pub passed_bits_per_second: BitsPerSecond,
    /// What the rate leaves beside that.
    pub left_bits_per_second: BitsPerSecond,
    /// What the bucket holds right now.
    pub bucket_bytes: u64,
    /// What it holds when it is full.
    pub burst_bytes: u64,
    /// What CPUs have taken out of it and not spent.
    pub leased_bytes: u64,
    /// Whether the bucket, or what the class may borrow of the interface's, would let the packet pass right
    /// now.
    pub passes_now: bool,
}

/// Where a class's packets go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Steering {
    /// CPUs that the class's flows are spread over; empty: they stay where they arrive.
    pub cpus: Vec<u32>,
    /// The CPU of this flow; missing: the one that it arrives on.
    pub cpu: Option<u32>,
}
