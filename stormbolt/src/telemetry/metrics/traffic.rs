//! Metrics of interfaces, classes, sources and rules.

use std::fmt;

use super::family::{Family, Samples, Value, counter, gauge, seconds};
use crate::api::documents::{ClassStatus, InterfaceStatus, OutcomeCount, ProbeStatus, SourceClass};
use crate::telemetry::snapshot::Snapshot;

const MICRO: f64 = 1e6;
const INTERFACE: &[&str] = &["interface"];
const OUTCOME: &[&str] = &["interface", "outcome", "verdict"];
const PROBE: &[&str] = &["interface", "probe"];
const CLASS: &[&str] = &["interface", "class"];
const RULE: &[&str] = &["rule"];
const BYTES: Option<&str> = Some("bytes");
const PACKETS: Option<&str> = Some("packets");
const RATE: Option<&str> = Some("bytes_per_second");

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "interface_capacity",
        RATE,
        INTERFACE,
        "What the link carries; where the capacity follows the link, what is in force.",
        |snapshot, samples| {
            interfaces(snapshot, samples, |one| one.capacity_bits_per_second.into())
        },
    ),
    gauge(
        "interface_attached",
        None,
        &["interface", "mode"],
        "1 while the program is attached to the interface in this mode, 0 with mode `detached`.",
        |snapshot, samples| {
            let mut interfaces = snapshot.interfaces.interfaces.iter();
            interfaces
                .try_for_each(|one| samples.add(&[&one.name, &one.mode], one.mode != "detached"))
        },
    ),
    counter(
        "interface_received",
        PACKETS,
        INTERFACE,
        "Frames that arrived, whatever became of them.",
        |snapshot, samples| interfaces(snapshot, samples, |one| one.received_packets.into()),
    ),
    counter(
        "interface_received",
        BYTES,
        INTERFACE,
        "Their bytes, Ethernet header included, FCS excluded.",
        |snapshot, samples| interfaces(snapshot, samples, |one| one.received_bytes.into()),
    ),
    counter(
        "interface_outcome",
        PACKETS,
        OUTCOME,
        "Frames by what became of them: each is in exactly one outcome; verdict is passed or dropped.",
        |snapshot, samples| outcomes(snapshot, samples, |one| one.packets),
    ),
    counter(
        "interface_outcome",
        BYTES,
        OUTCOME,
        "Their bytes.",
        |snapshot, samples| outcomes(snapshot, samples, |one| one.bytes),
    ),
    gauge(
        "interface_queue_delay",
        Some("seconds"),
        INTERFACE,
        "How long packets queue up before the bottleneck, where the capacity follows the link; absent while no probe \
         answers.",
        |snapshot, samples| {
            let mut interfaces = snapshot.interfaces.interfaces.iter();
            interfaces.try_for_each(|one| {
                let delay = one
                    .adaptive
                    .as_ref()
                    .and_then(|link| link.queue_delay_microseconds);
                delay.map_or(Ok(()), |delay| {
                    samples.add(&[&one.name], seconds(delay, MICRO))
                })
            })
        },
    ),
    counter(
        "interface_probe_answered",
        None,
        PROBE,
        "Echo requests to an address behind the link that were answered.",
        |snapshot, samples| probes(snapshot, samples, |probe| probe.answered),
    ),
    counter(
        "interface_probe_lost",
        None,
        PROBE,
        "Those that were not, in time.",
        |snapshot, samples| probes(snapshot, samples, |probe| probe.lost),
    ),
    counter(
        "class_offered",
        PACKETS,
        CLASS,
        "Packets that came before the class's policer: those that passed and those that it dropped.",
        |snapshot, samples| {
            classes(snapshot, samples, |one| {
                one.passed_packets.wrapping_add(one.dropped_packets).into()
            })
        },
    ),
    counter(
        "class_offered",
        BYTES,
        CLASS,
        "Their bytes.",
        |snapshot, samples| {
            classes(snapshot, samples, |one| {
                one.passed_bytes.wrapping_add(one.dropped_bytes).into()
            })
        },
    ),
    counter(
        "class_passed",
        PACKETS,
        CLASS,
        "Packets of the class that passed.",
        |snapshot, samples| classes(snapshot, samples, |one| one.passed_packets.into()),
    ),
    counter(
        "class_passed",
        BYTES,
        CLASS,
        "Their bytes.",
        |snapshot, samples| classes(snapshot, samples, |one| one.passed_bytes.into()),
    ),
    counter(
        "class_dropped",
        PACKETS,
        CLASS,
        "Packets that were dropped because the class was out of tokens; of a class in shadow, those that would have been.",
        |snapshot, samples| classes(snapshot, samples, |one| one.dropped_packets.into()),
    ),
    counter(
        "class_dropped",
        BYTES,
        CLASS,
        "Their bytes.",
        |snapshot, samples| classes(snapshot, samples, |one| one.dropped_bytes.into()),
    ),
    counter(
        "class_ahead",
        PACKETS,
        CLASS,
        "Packets, of those that passed, that passed ahead of the rate (segments of TCP that came again, for example), or beside those by the half of the rate that others have meanwhile.",
        |snapshot, samples| classes(snapshot, samples, |one| one.ahead_packets.into()),
    ),
    counter(
        "class_marked",
        PACKETS,
        CLASS,
        "Those of them that were marked (ECN) instead of being dropped.",
        |snapshot, samples| classes(snapshot, samples, |one| one.marked_packets.into()),
    ),
    gauge(
        "class_rate",
        RATE,
        CLASS,
        "The rate in force, as the controller last set it.",
        |snapshot, samples| classes(snapshot, samples, |one| one.rate_bits_per_second.into()),
    ),
    gauge(
        "class_guarantee",
        RATE,
        CLASS,
        "The guaranteed rate.",
        |snapshot, samples| {
            classes(snapshot, samples, |one| {
                one.guarantee_bits_per_second.into()
            })
        },
    ),
    gauge(
        "class_ceil",
        RATE,
        CLASS,
        "The highest rate; the interface's capacity where the policy names none.",
        |snapshot, samples| classes(snapshot, samples, |one| one.ceil_bits_per_second.into()),
    ),
    gauge(
        "class_priority",
        None,
        CLASS,
        "The priority, 0 first.",
        |snapshot, samples| classes(snapshot, samples, |one| u64::from(one.priority).into()),
    ),
    gauge(
        "source_limit",
        RATE,
        CLASS,
        "What each source of the class may have.",
        |snapshot, samples| sources(snapshot, samples, |one| one.limit_bits_per_second.into()),
    ),
    counter(
        "source_refused",
        PACKETS,
        CLASS,
        "Packets that were refused because their source had more of the class than each may have.",
        |snapshot, samples| sources(snapshot, samples, |one| one.refused_packets.into()),
    ),
    counter(
        "source_refused",
        BYTES,
        CLASS,
        "Their bytes.",
        |snapshot, samples| sources(snapshot, samples, |one| one.refused_bytes.into()),
    ),
    counter(
        "source_displaced",
        None,
        CLASS,
        "Sources that were forgotten too early because others took their place: if it goes up, the table of sources is \
         too small.",
        |snapshot, samples| sources(snapshot, samples, |one| one.displaced_sources.into()),
    ),
    counter(
        "rule_matched",
        PACKETS,
        RULE,
        "Packets that the rule decided about.",
        |snapshot, samples| {
            let mut rules = snapshot.counted.rules.iter();
            rules.try_for_each(|rule| samples.add(&[&rule.name], rule.packets))
        },
    ),
    counter(
        "rule_matched",
        BYTES,
        RULE,
        "Their bytes.",
        |snapshot, samples| {
            let mut rules = snapshot.counted.rules.iter();
            rules.try_for_each(|rule| samples.add(&[&rule.name], rule.bytes))
        },
    ),
];

fn interfaces(
    snapshot: &Snapshot,
    samples: &mut Samples<'_>,
    value: fn(&InterfaceStatus) -> Value,
) -> fmt::Result {
    let mut interfaces = snapshot.interfaces.interfaces.iter();
    interfaces.try_for_each(|one| samples.add(&[&one.name], value(one)))
}

fn outcomes(
    snapshot: &Snapshot,
    samples: &mut Samples<'_>,
    value: fn(&OutcomeCount) -> u64,
) -> fmt::Result {
    for interface in &snapshot.interfaces.interfaces {
        for outcome in &interface.outcomes {
            let verdict = if outcome.dropped { "dropped" } else { "passed" };
            let labels = [&interface.name, outcome.outcome.as_str(), verdict];
            samples.add(&labels, value(outcome))?;
        }
    }
    Ok(())
}

fn probes(
    snapshot: &Snapshot,
    samples: &mut Samples<'_>,
    value: fn(&ProbeStatus) -> u64,
) -> fmt::Result {
    for interface in &snapshot.interfaces.interfaces {
        for probe in interface.adaptive.iter().flat_map(|link| &link.probes) {
            let address = probe.address.to_string();
            samples.add(&[&interface.name, &address], value(probe))?;
        }
    }
    Ok(())
}

fn classes(
    snapshot: &Snapshot,
    samples: &mut Samples<'_>,
    value: fn(&ClassStatus) -> Value,
) -> fmt::Result {
    let mut classes = snapshot.counted.classes.iter();
    classes.try_for_each(|one| samples.add(&[&one.interface, &one.name], value(one)))
}

fn sources(
    snapshot: &Snapshot,
    samples: &mut Samples<'_>,
    value: fn(&SourceClass) -> Value,
) -> fmt::Result {
    let mut classes = snapshot.sources.classes.iter();
    classes.try_for_each(|one| samples.add(&[&one.interface, &one.class], value(one)))
}
