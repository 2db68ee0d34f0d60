//! The way of a packet through the stages.

use stormbolt_common::classifier::lane;
use stormbolt_common::explain::{BY_DEFAULT, BY_RULE, Explained};
use stormbolt_common::limits::{MAX_CLASSES, cell};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::{PER_SOURCE, REWRITE_DSCP, Terms};
use stormbolt_common::policy::{PolicyHeader, VERDICT_DROP, VERDICT_PASS, VERDICT_SHADOW_DROP};

use crate::classify::{Arrival, classify, classify_flow, fill};
use crate::count::count_passed;
use crate::packet::{Frame, PacketBytes};
use crate::parse::{ParseError, parse_plain_ipv4, parse_plain_ipv6, parse_values};
use crate::police::{claim, policed_bytes, spend};
use crate::rewrite::set_dscp;
use crate::steer::{Steered, steer};
use crate::tables::{Rules, Tables};
use crate::unpaid::finish_unpaid;

/// Takes a packet through all stages and counts its outcome, once.
///
/// In the kernel the three parts are programs of their own, and each goes over into the next by
/// a tail call: each has the whole stack, the verifier follows the ways through the rules once and not
/// again for every way through the parser, and nothing has to return.
pub fn process<F: Frame + ?Sized, T: Tables>(frame: &F, tables: &mut T) -> Outcome {
    begin(frame, tables)
        .or_else(|| finish(frame, tables))
        .unwrap_or_else(|| finish_unpaid(frame, tables))
}

/// The first part: parses the packet and puts what rules look at into the lanes. `None`:
/// [`finish`] goes on; else that was all.
#[inline(always)]
pub fn begin<P: PacketBytes + ?Sized, T: Tables>(packet: &P, tables: &mut T) -> Option<Outcome> {
    let outcome = arrive(packet, tables)?;
    let interface = tables.interface().unwrap_or(0);
    tables.count_outcome(interface, outcome, u64::from(frame_bytes(packet)));
    Some(outcome)
}

/// The second part, for the packet in the lanes. `None`: [`finish_unpaid`] goes on.
#[inline(always)]
pub fn finish<F: Frame + ?Sized, T: Tables>(frame: &F, tables: &mut T) -> Option<Outcome> {
    let arrival = arrival(tables);
    let outcome = managed(frame, tables, arrival)?;
    tables.count_outcome(arrival.interface, outcome, u64::from(arrival.length));
    Some(outcome)
}

/// Counts a packet that was to go over into the next part and did not.
#[inline(always)]
pub fn stranded<T: Tables>(tables: &mut T) -> Outcome {
    let arrival = arrival(tables);
    let outcome = Outcome::Unconfigured;
    tables.count_outcome(arrival.interface, outcome, u64::from(arrival.length));
    outcome
}

/// Says what [`process`] would make of a packet before it polices it. Counts and spends nothing.
pub fn explain<P: PacketBytes + ?Sized, T: Tables>(packet: &P, tables: &mut T) -> Explained {
    match explain_arrival(packet, tables) {
        Some(explained) => explained,
        None => explain_rules(tables),
    }
}

/// The first half of [`explain`]; `None`: [`explain_rules`] goes on.
#[inline(always)]
pub fn explain_arrival<P: PacketBytes + ?Sized, T: Tables>(
    packet: &P,
    tables: &mut T,
) -> Option<Explained> {
    let outcome = arrive(packet, tables)?;
    Some(not_classified(tables.generation(), outcome))
}

/// The second half of [`explain`], for the packet in the lanes.
#[inline(always)]
pub fn explain_rules<T: Tables>(tables: &mut T) -> Explained {
    let Some(policy) = tables.policy() else {
        return not_classified(0, Outcome::Unconfigured);
    };
    match classify(&policy, tables) {
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
        Err(_) => not_classified(policy.generation, Outcome::Unconfigured),
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

/// Parses the packet into the lanes; an outcome where it is not classified.
#[inline(always)]
fn arrive<P: PacketBytes + ?Sized, T: Tables>(packet: &P, tables: &mut T) -> Option<Outcome> {
    let generation = tables.generation();
    let Some(interface) = tables.interface().filter(|_| generation != 0) else {
        return Some(Outcome::Unconfigured);
    };
    let arrival = Arrival {
        interface,
        length: frame_bytes(packet),
    };
    // Filled in apart, so that what is the same for all plain packets is known to be.
    if let Some(headers) = parse_plain_ipv4(packet) {
        fill(tables, &headers, arrival);
    } else if let Some(headers) = parse_plain_ipv6(packet) {
        fill(tables, &headers, arrival);
    } else {
        match parse_values(packet) {
            Ok(headers) => fill(tables, &headers, arrival),
            Err(error) => return Some(unclassified(error, tables)),
        }
    }
    tables.set_lane(lane::GENERATION, generation);
    let epoch = tables.epoch();
    tables.set_lane(lane::EPOCH, epoch);
    None
}

/// How the packet in the lanes arrived.
#[inline(always)]
pub(crate) fn arrival<R: Rules>(rules: &R) -> Arrival {
    Arrival {
        interface: rules.lane(lane::INTERFACE),
        length: rules.lane(lane::FRAME_BYTES),
    }
}

#[inline(always)]
fn managed<F: Frame + ?Sized, T: Tables>(
    frame: &F,
    tables: &mut T,
    arrival: Arrival,
) -> Option<Outcome> {
    let Some(policy) = tables.policy() else {
        return Some(Outcome::Unconfigured);
    };
    let Ok(rule) = classify_flow(&policy, tables) else {
        return Some(Outcome::Unconfigured);
    };
    let verdict = match rule {
        Some(rule) => {
            tables.count_rule(rule.counter, u64::from(arrival.length));
            rule.verdict
        }
        None => policy.default_class,
    };
    Some(match verdict {
        VERDICT_PASS => Outcome::RulePassed,
        VERDICT_DROP => Outcome::RuleDropped,
        VERDICT_SHADOW_DROP => Outcome::RuleDropShadowed,
        class if class < MAX_CLASSES => return in_class(frame, tables, class, arrival),
        _ => Outcome::Unconfigured,
    })
}

/// The outcome of a frame that the parser did not take.
#[inline(always)]
fn unclassified<T: Tables>(error: ParseError, tables: &T) -> Outcome {
    let outcome = error.outcome();
    let passes = |policy: PolicyHeader| policy.malformed_pass != 0;
    if outcome.is_drop() && tables.policy().is_some_and(passes) {
        return Outcome::MalformedPassed;
    }
    outcome
}

#[inline(always)]
fn in_class<F: Frame + ?Sized, T: Tables>(
    frame: &F,
    tables: &mut T,
    class: u32,
    arrival: Arrival,
) -> Option<Outcome> {
    let bytes = u64::from(arrival.length);
    let epoch = tables.epoch();
    let Some(held) = tables.class(cell(arrival.interface, class)) else {
        return Some(Outcome::Unconfigured);
    };
    let terms = held.terms;
    let policed = policed_bytes(&terms, bytes);
    let is_usual = held.lease.epoch == epoch && terms.treatment & PER_SOURCE == 0;
    if is_usual && spend(&terms, &mut held.lease, policed) {
        count_passed(held, bytes);
        return Some(on_its_way(frame, tables, &terms));
    }
    tables.set_lane(lane::CLASS, class);
    None
}

/// Does with a packet that passes in its class what the class says.
#[inline(always)]
pub(crate) fn on_its_way<F: Frame + ?Sized, T: Tables>(
    frame: &F,
    tables: &mut T,
    terms: &Terms,
) -> Outcome {
    if terms.treatment & REWRITE_DSCP != 0 {
        set_dscp(frame, claim::network_offset(tables), terms.dscp);
    }
    let Some(cpu_set) = terms.cpu_set.checked_sub(1) else {
        return Outcome::ClassPassed;
    };
    match steer(tables, u32::from(cpu_set)) {
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
