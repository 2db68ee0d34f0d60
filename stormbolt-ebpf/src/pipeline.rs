//! The way of a packet through the stages.

use stormbolt_common::classifier::lane;
use stormbolt_common::explain::{BY_DEFAULT, BY_RULE, Explained};
use stormbolt_common::limits::{MAX_CLASSES, cell};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::{REWRITE_DSCP, SHADOW};
use stormbolt_common::policy::{PolicyHeader, VERDICT_DROP, VERDICT_PASS, VERDICT_SHADOW_DROP};

use crate::classify::{Arrival, classify, classify_flow, fill};
use crate::count::count;
use crate::packet::{Frame, PacketBytes};
use crate::parse::{ParseError, parse_plain_ipv4, parse_plain_ipv6, parse_values};
use crate::police::{
    Ahead, Clock as _, Source, SourceVerdict, claim, low_half, note_offender, pass_ahead, police,
    police_source, policed_bytes, source_time, spend,
};
use crate::rewrite::{mark_congestion, set_dscp};
use crate::steer::{Steered, steer};
use crate::tables::{Rules, Tables, ToPay};

/// Takes a packet through all stages and counts its outcome, once.
///
/// In the kernel the two halves are programs of their own, and the first goes over into the second by
/// a tail call: each has the whole stack, the verifier follows the ways through the rules once and not
/// again for every way through the parser, and nothing has to return.
pub fn process<F: Frame + ?Sized, T: Tables>(frame: &F, tables: &mut T) -> Outcome {
    match begin(frame, tables) {
        Some(outcome) => outcome,
        None => finish(frame, tables),
    }
}

/// The first half: parses the packet and puts what rules look at into the lanes. `None`:
/// [`finish`] goes on; else that was all.
#[inline(always)]
pub fn begin<P: PacketBytes + ?Sized, T: Tables>(packet: &P, tables: &mut T) -> Option<Outcome> {
    let outcome = arrive(packet, tables)?;
    let interface = tables.interface().unwrap_or(0);
    tables.count_outcome(interface, outcome, u64::from(frame_bytes(packet)));
    Some(outcome)
}

/// The second half, for the packet in the lanes.
#[inline(always)]
pub fn finish<F: Frame + ?Sized, T: Tables>(frame: &F, tables: &mut T) -> Outcome {
    let arrival = arrival(tables);
    let outcome = managed(frame, tables, arrival);
    tables.count_outcome(arrival.interface, outcome, u64::from(arrival.length));
    outcome
}

/// Counts a packet that was to go over into the second half and did not.
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
    None
}

/// How the packet in the lanes arrived.
#[inline(always)]
fn arrival<R: Rules>(rules: &R) -> Arrival {
    Arrival {
        interface: rules.lane(lane::INTERFACE),
        length: rules.lane(lane::FRAME_BYTES),
    }
}

#[inline(always)]
fn managed<F: Frame + ?Sized, T: Tables>(frame: &F, tables: &mut T, arrival: Arrival) -> Outcome {
    let Some(policy) = tables.policy() else {
        return Outcome::Unconfigured;
    };
    let Ok(rule) = classify_flow(&policy, tables) else {
        return Outcome::Unconfigured;
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
        VERDICT_SHADOW_DROP => Outcome::RuleDropShadowed,
        class if class < MAX_CLASSES => in_class(frame, tables, class, arrival),
        _ => Outcome::Unconfigured,
    }
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
) -> Outcome {
    let bytes = u64::from(arrival.length);
    let cell = cell(arrival.interface, class);
    let Some(state) = tables.class(cell) else {
        return Outcome::Unconfigured;
    };
    let (cpu_set, treatment, dscp) = (state.rate.cpu_set, state.rate.treatment, state.rate.dscp);
    let source_limit = u32::from(state.rate.source_limit);
    let policed = policed_bytes(state.rate, bytes);
    if source_limit == 0 && spend(state.rate, &mut state.cell.lease, policed) {
        count(state.cell, true, bytes);
    } else {
        let of_source = match source_limit.checked_sub(1) {
            Some(number) => within_source_limit(tables, cell, number, (bytes, policed)),
            None => Some(true),
        };
        let over = match of_source {
            Some(true) => match pay(frame, tables, cell, arrival) {
                Some(true) => None,
                Some(false) => Some(Outcome::OverRate),
                None => return Outcome::Unconfigured,
            },
            Some(false) => Some(Outcome::OverSourceRate),
            None => return Outcome::Unconfigured,
        };
        match over {
            Some(_) if treatment & SHADOW != 0 => return Outcome::OverRateShadowed,
            Some(outcome) => return outcome,
            None => {}
        }
    }
    if treatment & REWRITE_DSCP != 0 {
        set_dscp(frame, claim::network_offset(tables), dscp);
    }
    let Some(cpu_set) = cpu_set.checked_sub(1) else {
        return Outcome::ClassPassed;
    };
    match steer(tables, u32::from(cpu_set)) {
        Steered::InPlace => Outcome::ClassPassed,
        Steered::Redirected => Outcome::ClassSteered,
    }
}

/// Whether the source of the packet in the lanes may have this packet of the class in `cell`. Counts it if
/// not; `None`: a table is missing.
#[inline(always)]
fn within_source_limit<T: Tables>(
    tables: &mut T,
    cell: u32,
    number: u32,
    (bytes, policed): (u64, u64),
) -> Option<bool> {
    let jiffies = tables.clock().jiffy();
    let now = source_time(jiffies, tables.tick_ns());
    let odd = {
        let counted = tables.class(cell)?.cell;
        counted.passed_packets.wrapping_add(counted.dropped_packets)
    };
    let (source, verdict) = {
        let limit = tables.source_limit(number)?;
        let source = Source::in_lanes(tables, limit, cell, tables.hash_seed());
        let line = tables.source_line(source.line())?;
        let verdict = police_source(line, limit, &source, now, policed, odd);
        (source, verdict)
    };
    if verdict == SourceVerdict::Within {
        return Some(true);
    }
    let refused = tables.refused(cell, source.line())?;
    let counters = refused.counters;
    if verdict == SourceVerdict::Displacing {
        counters.displaced = counters.displaced.wrapping_add(1);
        return Some(true);
    }
    counters.refused_packets = counters.refused_packets.wrapping_add(1);
    counters.refused_bytes = counters.refused_bytes.wrapping_add(bytes);
    let jiffy = low_half(jiffies);
    note_offender(refused.offenders, source.halves, cell, bytes, jiffy);
    Some(false)
}

/// Whether a packet passes that this CPU's lease does not pay for. Counts it; `None`: a table is missing.
#[inline(always)]
fn pay<F: Frame + ?Sized, T: Tables>(
    frame: &F,
    tables: &mut T,
    cell: u32,
    arrival: Arrival,
) -> Option<bool> {
    let bytes = u64::from(arrival.length);
    let clock = tables.clock();
    let claim = claim::of(frame, tables);
    let network = claim::network_offset(tables);
    let ToPay {
        state,
        buckets,
        dropped,
    } = tables.class_to_pay(cell, arrival.interface, claim.flow)?;
    let (rate, lease) = (state.rate, &mut state.cell.lease);
    let policed = policed_bytes(rate, bytes);
    let passes = match police(rate, lease, &buckets, &clock, policed) {
        Ok(()) => true,
        Err(refusal) => {
            let asked = (claim, refusal);
            match pass_ahead(rate, lease, &buckets, dropped, &clock, asked, policed) {
                Ahead::Refused => false,
                Ahead::Passed => true,
                Ahead::Marked => {
                    mark_congestion(frame, network);
                    true
                }
            }
        }
    };
    count(state.cell, passes, bytes);
    Some(passes)
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
