//! Metrics that come from sampled packets.

use super::family::{Family, counter, histogram, seconds};

const NANO: f64 = 1e9;
const CLASS: &[&str] = &["class"];

pub(super) const FAMILIES: &[Family] = &[
    counter(
        "sampled",
        Some("packets"),
        &["result"],
        "Packets that were to be sampled: those that were (shown), those for which there was no room (no_room), and \
         those that were more than may be in a moment (over_limit).",
        |snapshot, samples| {
            samples.add(&["shown"], snapshot.sampled.shown)?;
            samples.add(&["no_room"], snapshot.sampled.no_room)?;
            samples.add(&["over_limit"], snapshot.sampled.over_limit)
        },
    ),
    histogram(
        "tcp_round_trip_duration",
        "seconds",
        "Round trips of sampled TCP connections, between here and whoever sent the segment that ended them.",
        |snapshot, samples| samples.histogram(&snapshot.round_trips.seconds),
    ),
    counter(
        "class_tcp_round_trips",
        None,
        CLASS,
        "Round trips of sampled TCP connections of the class.",
        |snapshot, samples| {
            let mut classes = snapshot.round_trips.classes.iter();
            classes.try_for_each(
                |(number, (count, _))| match snapshot.class_names.get(number) {
                    Some(name) => samples.add(&[name], *count),
                    None => Ok(()),
                },
            )
        },
    ),
    counter(
        "class_tcp_round_trip_duration",
        Some("seconds"),
        CLASS,
        "How long they took, all together.",
        |snapshot, samples| {
            let mut classes = snapshot.round_trips.classes.iter();
            classes.try_for_each(
                |(number, (_, sum))| match snapshot.class_names.get(number) {
                    Some(name) => samples.add(&[name], seconds(*sum, NANO)),
                    None => Ok(()),
                },
            )
        },
    ),
];
