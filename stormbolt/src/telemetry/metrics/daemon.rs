//! Metrics of the daemon and its controller.

use super::family::{Family, counter, gauge, histogram, seconds};

const MILLI: f64 = 1e3;
const NANO: f64 = 1e9;

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "build_info",
        None,
        &["version"],
        "1, with the version of the daemon.",
        |snapshot, samples| samples.add(&[&snapshot.status.daemon_version], true),
    ),
    gauge(
        "uptime",
        Some("seconds"),
        &[],
        "Time since the daemon started.",
        |snapshot, samples| samples.add(&[], snapshot.status.uptime_seconds),
    ),
    gauge(
        "policy_generation",
        None,
        &[],
        "Generation of the policy in force; it goes up with each change.",
        |snapshot, samples| samples.add(&[], snapshot.status.generation),
    ),
    counter(
        "policy_changes",
        None,
        &["result"],
        "Policies and edits that came into force (applied, the first policy included), and those that were refused \
         because this machine cannot run them, or given up (refused).",
        |snapshot, samples| {
            samples.add(&["applied"], snapshot.run.applied_policies)?;
            samples.add(&["refused"], snapshot.run.refused_policies)
        },
    ),
    gauge(
        "policy_objects",
        None,
        &["kind"],
        "Interfaces, classes and rules of the policy in force.",
        |snapshot, samples| {
            samples.add(&["interface"], snapshot.status.interface_count)?;
            samples.add(&["class"], snapshot.status.class_count)?;
            samples.add(&["rule"], snapshot.status.rule_count)
        },
    ),
    gauge(
        "notices",
        None,
        &[],
        "Things that the operator should know; `stormbolt show status` has their text.",
        |snapshot, samples| samples.add(&[], snapshot.status.notices.len()),
    ),
    counter(
        "events",
        None,
        &["kind"],
        "Events since the daemon started; `stormbolt show events` has their text.",
        |snapshot, samples| {
            let mut events = snapshot.events.iter();
            events.try_for_each(|(kind, count)| samples.add(&[kind.name()], *count))
        },
    ),
    gauge(
        "series_omitted",
        None,
        &["kind"],
        "Pairs of interface and class, and rules, without series of their own because there are more than the limit.",
        |snapshot, samples| {
            samples.add(&["class"], snapshot.counted.omitted_classes)?;
            samples.add(&["rule"], snapshot.counted.omitted_rules)
        },
    ),
    gauge(
        "controller_interval",
        Some("seconds"),
        &[],
        "The controller's period.",
        |snapshot, samples| samples.add(&[], seconds(snapshot.status.interval_milliseconds, MILLI)),
    ),
    histogram(
        "tick_duration",
        "seconds",
        "Time that ticks of the controller took.",
        |snapshot, samples| samples.histogram(&snapshot.run.tick_seconds),
    ),
    counter(
        "ticks_overrun",
        None,
        &[],
        "Ticks that took longer than the controller's period.",
        |snapshot, samples| samples.add(&[], snapshot.run.overrun_ticks),
    ),
    counter(
        "ticks_missed",
        None,
        &[],
        "Ticks that were due while something else, such as a policy being compiled, kept the controller busy.",
        |snapshot, samples| samples.add(&[], snapshot.run.missed_ticks),
    ),
    counter(
        "controller_silences",
        None,
        &[],
        "Times that the data path heard nothing from the controller for so long that the policy's failsafe applied.",
        |snapshot, samples| samples.add(&[], snapshot.run.silences),
    ),
    gauge(
        "failsafe_active",
        None,
        &[],
        "1 while classes are held to what the policy's failsafe says, else 0.",
        |snapshot, samples| samples.add(&[], snapshot.silent_in.is_some_and(|left| left.0 == 0)),
    ),
    gauge(
        "failsafe_deadline",
        Some("seconds"),
        &[],
        "Time until the failsafe applies if the controller says nothing more; absent where it never does.",
        |snapshot, samples| match snapshot.silent_in {
            Some(left) => samples.add(&[], seconds(left.0, NANO)),
            None => Ok(()),
        },
    ),
];
