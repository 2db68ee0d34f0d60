//! What a class does with its packets: marks, retransmissions, code point, shadow, packet rate.

use stormbolt_control::policy::Treatment;
use stormbolt_control::units::Nanoseconds;

use super::controller::time;
use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::ClassEntry;
use crate::config::numbers::{flag, integer};
use crate::config::section::{Field, Scalar};
use crate::config::words;

/// As far as the policer's buckets may owe.
const MAX_AHEAD: Nanoseconds = Nanoseconds::from_millis(1_000);
/// Below that a packet's cost would not fit the policer's arithmetic.
const MIN_PACKET_RATE: u32 = 4;
/// Above that it would not be exact.
const MAX_PACKET_RATE: u32 = 10_000_000;

/// How the class of an entry treats its packets.
pub(super) fn treatment(entry: &ClassEntry, problems: &mut Problems) -> Treatment {
    let mut given = |key, field: Option<&Field>| field.and_then(|field| flag(key, field, problems));
    let ecn = given("ecn", entry.ecn.as_ref());
    let shadow = given("shadow", entry.shadow.as_ref());
    let ahead = entry.retransmit_ahead.as_ref().and_then(|field| {
        let bounds = (Nanoseconds(0), MAX_AHEAD, "it is from 0ms to 1s");
        time("retransmit-ahead", field, bounds, problems)
    });
    let packets = entry.packet_rate.as_ref().and_then(|field| {
        let bounds = MIN_PACKET_RATE..=MAX_PACKET_RATE;
        integer("packet-rate", field, bounds, problems)
    });
    Treatment {
        ecn: ecn.unwrap_or(Treatment::default().ecn),
        retransmit_ahead: ahead,
        dscp: entry.dscp.as_ref().and_then(|field| dscp(field, problems)),
        shadow: shadow.unwrap_or_default(),
        packet_rate: packets,
    }
}

fn dscp(field: &Field, problems: &mut Problems) -> Option<u8> {
    let read = match field.get_ref() {
        Scalar::Invalid => return None,
        Scalar::Text(text) => words::dscp(text),
        Scalar::Number(number) => words::dscp(&number.to_string()),
        Scalar::OtherNumber(_) | Scalar::Flag(_) => {
            Err("`dscp` must be a number from 0 to 63 or a name like \"ef\"".to_owned())
        }
    };
    match read {
        Ok(dscp) => Some(dscp),
        Err(message) => {
            problems.add(Problem::error(field.span(), message));
            None
        }
    }
}
