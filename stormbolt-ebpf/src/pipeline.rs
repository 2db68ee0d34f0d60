//! The way of a packet through the stages.

use stormbolt_common::explain::{BY_DEFAULT, BY_RULE, Explained};
use stormbolt_common::limits::{MAX_CLASSES, cell};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::policy::{PolicyHeader, RuleEntry, VERDICT_DROP, VERDICT_PASS};

use crate::classify::{Arrival, classify, fill};
use crate::count::count;
use crate::packet::PacketBytes;
use crate::parse::{ParseError, parse_values};
use crate::police::police;
use crate::steer::{Steered, steer};
use crate::tables::Tables;

/// Takes a packet through all stages and counts its outcome, once.
#[inline(always)]
pub fn process<P: PacketBytes + ?Sized, T: Tables>(packet: &P, tables: &mut T) -> Outcome {
    let bytes = frame_bytes(packet);
    let interface = tables.interface();
    let outcome = match (interface, tables.policy()) {
        (Some(interface), Some(policy)) => managed(
            packet,
            tables,
            &policy,
            Arrival {
                interface,
                length: bytes,
            },
        ),
        _ => Outcome::Unconfigured,
    };
    tables.count_outcome(interface.unwrap_or(0), outcome, u64::from(bytes));
    outcome
}

/// Says what [`process`] would make of a packet before it polices it. Counts and spends nothing.
#[inline(always)]
pub fn explain<P: PacketBytes + ?Sized, T: Tables>(packet: &P, tables: &mut T) -> Explained {
    let (Some(interface), Some(policy)) = (tables.interface(), tables.policy()) else {
        return not_classified(0, Outcome::Unconfigured);
    };
    let arrival = Arrival {
        interface,
        length: frame_bytes(packet),
    };
    match decide(packet, tables, &policy, arrival) {
        Ok(Some(rule)) => Explained {
            generation: policy.generation,
            reason: BY_RULE,
            verdict: rule.verdict,
            counter: rule.counter,
        },
        Ok(None) => Explained {
            generation: policy.generation,
            reason: BY_DEFAULT,
            verdict: policy.default_class,
            counter: 0,
        },
        Err(outcome) => not_classified(policy.generation, outcome),
    }
}

#[inline(always)]
const fn not_classified(generation: u32, outcome: Outcome) -> Explained {
    Explained {
        generation,
        reason: outcome.index(),
        verdict: 0,
        counter: 0,
    }
}

#[inline(always)]
fn managed<P: PacketBytes + ?Sized, T: Tables>(
    packet: &P,
    tables: &mut T,
    policy: &PolicyHeader,
    arrival: Arrival,
) -> Outcome {
    let rule = match decide(packet, tables, policy, arrival) {
        Ok(rule) => rule,
        Err(outcome) => return outcome,
    };
    let verdict = match rule {
        Some(rule) => {
            tables.count_rule(rule.counter, u64::from(arrival.length));
            rule.verdict
        }
        None => policy.default_class,
    };
    match verdict {
        VERDICT_PASS => Outcome::RulePassed,
        VERDICT_DROP => Outcome::RuleDropped,
        class if class < MAX_CLASSES => in_class(tables, class, arrival),
        _ => Outcome::Unconfigured,
    }
}

/// Parses and classifies a packet: the first rule that it matches, if any.
///
/// # Errors
/// The outcome of a packet that is not classified.
#[inline(always)]
fn decide<P: PacketBytes + ?Sized, T: Tables>(
    packet: &P,
    tables: &mut T,
    policy: &PolicyHeader,
    arrival: Arrival,
) -> Result<Option<RuleEntry>, Outcome> {
    if let Some(error) = parse_into_lanes(packet, tables, arrival) {
        return Err(unclassified(error, policy));
    }
    classify(policy, tables).map_err(|_| Outcome::Unconfigured)
}

/// Parses the packet and puts what rules look at into the lanes.
///
/// A function of its own: what the parser keeps on the stack is gone when the rules are searched.
#[inline(never)]
fn parse_into_lanes<P: PacketBytes + ?Sized, T: Tables>(
    packet: &P,
    tables: &mut T,
    arrival: Arrival,
) -> Option<ParseError> {
    match parse_values(packet) {
        Ok(headers) => {
            fill(tables, &headers, arrival);
            None
        }
        Err(error) => Some(error),
    }
}

/// The outcome of a frame that the parser did not take.
#[inline(always)]
const fn unclassified(error: ParseError, policy: &PolicyHeader) -> Outcome {
    let outcome = error.outcome();
    if outcome.is_drop() && policy.malformed_pass != 0 {
        return Outcome::MalformedPassed;
    }
    outcome
}

#[inline(always)]
fn in_class<T: Tables>(tables: &mut T, class: u32, arrival: Arrival) -> Outcome {
    let bytes = u64::from(arrival.length);
    let clock = tables.clock();
    let Some(state) = tables.class(cell(arrival.interface, class)) else {
        return Outcome::Unconfigured;
    };
    let within = police(
        state.rate,
        &mut state.cell.lease,
        state.bucket,
        &clock,
        bytes,
    );
    count(state.cell, within, bytes);
    let cpu_set = state.rate.cpu_set;
    if !within {
        return Outcome::OverRate;
    }
    let Some(cpu_set) = cpu_set.checked_sub(1) else {
        return Outcome::ClassPassed;
    };
    match steer(tables, cpu_set) {
        Steered::InPlace => Outcome::ClassPassed,
        Steered::Redirected => Outcome::ClassSteered,
    }
}

/// The frame's length; frames are far below 4 GiB.
#[inline(always)]
#[expect(clippy::as_conversions, reason = "a frame has less than 2^32 bytes")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a frame has less than 2^32 bytes"
)]
fn frame_bytes<P: PacketBytes + ?Sized>(packet: &P) -> u32 {
    packet.length() as u32
}
