//! The way of a packet through the stages.

use stormbolt_common::classifier::lane;
use stormbolt_common::explain::{BY_DEFAULT, BY_RULE, Explained};
use stormbolt_common::limits::{MAX_CLASSES, cell};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::{PER_SOURCE, REWRITE_DSCP, SHADOW, Terms};
use stormbolt_common::policy::{PolicyHeader, VERDICT_DROP, VERDICT_PASS, VERDICT_SHADOW_DROP};

use crate::classify::{Arrival, classify, classify_flow, fill};
use crate::count::{count_dropped, count_passed};
use crate::packet::{Frame, PacketBytes};
use crate::parse::{ParseError, parse_plain_ipv4, parse_plain_ipv6, parse_values};
use crate::police::{
    Ahead, Clock as _, Held, Source, SourceVerdict, carry_over, claim, longest_lease, low_half,
    note_offender, pass_ahead, police, police_source, policed_bytes, source_time, spend,
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
    let epoch = tables.epoch();
    tables.set_lane(lane::EPOCH, epoch);
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
    let epoch = tables.epoch();
    let Some(held) = tables.class(cell) else {
        return Outcome::Unconfigured;
    };
    let mut terms = held.terms;
    let policed = policed_bytes(&terms, bytes);
    let is_usual = held.lease.epoch == epoch && terms.treatment & PER_SOURCE == 0;
    if is_usual && spend(&terms, &mut held.lease, policed) {
        count_passed(held, bytes);
    } else {
        terms = match in_full(frame, tables, cell, arrival) {
            Ok(terms) => terms,
            Err(outcome) => return outcome,
        };
    }
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

/// Polices a packet that this CPU's lease does not simply pay for, or of which it is not known: other rates have come
/// into force, or its source is held to something. The terms of its class; an outcome where it does not pass.
#[inline(always)]
fn in_full<F: Frame + ?Sized, T: Tables>(
    frame: &F,
    tables: &mut T,
    cell: u32,
    arrival: Arrival,
) -> Result<Terms, Outcome> {
    let terms = terms_in_force(tables, cell, arrival.interface).ok_or(Outcome::Unconfigured)?;
    let bytes = u64::from(arrival.length);
    let policed = policed_bytes(&terms, bytes);
    let within = if terms.treatment & PER_SOURCE == 0 {
        Some(true)
    } else {
        within_source_limit(tables, cell, (bytes, policed))
    };
    let refused = match within {
        Some(true) => match pay(frame, tables, cell, arrival, policed) {
            Some(true) => return Ok(terms),
            Some(false) => Outcome::OverRate,
            None => return Err(Outcome::Unconfigured),
        },
        Some(false) => Outcome::OverSourceRate,
        None => return Err(Outcome::Unconfigured),
    };
    Err(if terms.treatment & SHADOW == 0 {
        refused
    } else {
        Outcome::OverRateShadowed
    })
}

/// The terms of the class in `cell`; this CPU has a copy of them then.
#[inline(always)]
fn terms_in_force<T: Tables>(tables: &mut T, cell: u32, interface: u32) -> Option<Terms> {
    let epoch = tables.epoch();
    let held = tables.class(cell)?;
    if held.lease.epoch == epoch {
        return Some(held.terms);
    }
    let no_flow = 0;
    let ToPay {
        rate,
        cell: held,
        buckets,
        ..
    } = tables.class_to_pay(cell, interface, no_flow)?;
    held.terms = rate.terms();
    let longest = longest_lease(rate, buckets.interface);
    carry_over(&mut held.lease, epoch, longest);
    Some(held.terms)
}

/// Whether the source of the packet in the lanes may have this packet of the class in `cell`. Counts it if
/// not; `None`: a table is missing.
#[inline(always)]
fn within_source_limit<T: Tables>(
    tables: &mut T,
    cell: u32,
    (bytes, policed): (u64, u64),
) -> Option<bool> {
    let number = u32::from(tables.rate(cell)?.source_limit).checked_sub(1)?;
    let jiffies = tables.clock().jiffy();
    let now = source_time(jiffies, tables.tick_ns());
    let odd = tables.class(cell)?.passed_packets;
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

/// Whether a packet passes, which is paid out of this CPU's lease or out of another one. Counts it; `None`: a table is
/// missing.
#[inline(always)]
fn pay<F: Frame + ?Sized, T: Tables>(
    frame: &F,
    tables: &mut T,
    cell: u32,
    arrival: Arrival,
    policed: u64,
) -> Option<bool> {
    let clock = tables.clock();
    let claim = claim::of(frame, tables);
    let network = claim::network_offset(tables);
    let ToPay {
        rate,
        cell,
        refusals,
        ahead,
        buckets,
        dropped,
    } = tables.class_to_pay(cell, arrival.interface, claim.flow)?;
    // The lease is taken at this rate, which may be one that comes into force in a moment; so is what it pays for.
    cell.terms = rate.terms();
    let mut held = Held {
        lease: &mut cell.lease,
        refusals,
    };
    let passes = match police(rate, &mut held, &buckets, &clock, policed) {
        Ok(()) => true,
        Err(refusal) => {
            let asked = (claim, refusal);
            match pass_ahead(rate, ahead, &buckets, dropped, &clock, asked, policed) {
                Ahead::Refused => false,
                Ahead::Passed => true,
                Ahead::Marked => {
                    mark_congestion(frame, network);
                    true
                }
            }
        }
    };
    let bytes = u64::from(arrival.length);
    if passes {
        count_passed(cell, bytes);
    } else {
        count_dropped(refusals, bytes);
    }
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
