//! The last part of a packet's way, which few packets of most classes take: this CPU's lease does not simply pay for them, or it is not
//! known whether it does, since other rates have come into force or their source is held to something.
//!
//! It is a program of its own for the verifier's sake, which would follow every way through the buckets for every way through
//! the rules.

use stormbolt_common::classifier::lane;
use stormbolt_common::limits::cell;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::police::{PER_SOURCE, SHADOW, Terms};

use crate::classify::Arrival;
use crate::count::{count_dropped, count_passed};
use crate::packet::Frame;
use crate::pipeline::{arrival, on_its_way};
use crate::police::{
    Ahead, Clock as _, Held, Noted, Source, SourceVerdict, carry_over, claim, longest_lease,
    low_half, note_offender, pass_ahead, police, police_source, policed_bytes, source_time,
};
use crate::rewrite::mark_congestion;
use crate::tables::{Tables, ToPay};

/// The last part, for the packet in the lanes.
#[inline(always)]
pub fn finish_unpaid<F: Frame + ?Sized, T: Tables>(frame: &F, tables: &mut T) -> Outcome {
    let arrival = arrival(tables);
    let cell = cell(arrival.interface, tables.lane(lane::CLASS));
    let outcome = match in_full(frame, tables, cell, arrival) {
        Ok(terms) => on_its_way(frame, tables, &terms),
        Err(outcome) => outcome,
    };
    tables.count_outcome(arrival.interface, outcome, u64::from(arrival.length));
    outcome
}

/// Polices a packet. The terms of its class; an outcome where it does not pass.
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
            let mut noted = Noted {
                counter: ahead,
                refusals: &mut *held.refusals,
                dropped,
            };
            let asked = (claim, refusal);
            match pass_ahead(rate, &mut noted, &buckets, &clock, asked, policed) {
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
