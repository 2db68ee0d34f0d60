//! What each source of a class may have.

use std::collections::BTreeSet;

use stormbolt_common::source::MAX_SOURCE_LIMITS;
use stormbolt_control::policy::{Class, PerSource};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::controller::time;
use super::interfaces::rate;
use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::{ClassEntry, PerSourceEntry};
use crate::config::numbers::integer;
use crate::config::section::Field;

/// Time passes in jiffies for these buckets, 10 ms each at most.
const MIN_BURST: Nanoseconds = Nanoseconds::from_millis(20);
const MAX_BURST: Nanoseconds = Nanoseconds::from_millis(10_000);

/// The limit on each source of a class that may have `most`, if it has one.
pub(super) fn per_source(
    entry: &PerSourceEntry,
    most: BitsPerSecond,
    problems: &mut Problems,
) -> Option<PerSource> {
    let burst = entry.burst.as_ref().and_then(|field| {
        let bounds = (MIN_BURST, MAX_BURST, "it is from 20ms to 10s");
        time("per-source-burst", field, bounds, problems)
    });
    let mut prefix = |key, field: &Option<Field>, most| {
        let length = field
            .as_ref()
            .and_then(|field| integer(key, field, 1..=most, problems))?;
        u8::try_from(length).ok()
    };
    let ipv4_prefix = prefix("per-source-ipv4-prefix", &entry.ipv4_prefix, 32);
    let ipv6_prefix = prefix("per-source-ipv6-prefix", &entry.ipv6_prefix, 128);
    let Some(field) = &entry.rate else {
        let others = [&entry.burst, &entry.ipv4_prefix, &entry.ipv6_prefix];
        for field in others.into_iter().flatten() {
            let message = "there is no `per-source` that this could be about";
            let problem = Problem::error(field.span(), message);
            problems.add(problem.help("give each source a rate, like `per-source = \"50Mbit\"`"));
        }
        return None;
    };
    let each = rate("per-source", field, problems)?;
    if each >= most {
        let message = format!("each source may have {each}, as much as the class itself");
        problems.add(Problem::warning(field.span(), message).help("it limits nothing"));
    }
    Some(PerSource {
        rate: each,
        burst: burst.unwrap_or(PerSource::DEFAULT_BURST),
        ipv4_prefix: ipv4_prefix.unwrap_or(PerSource::DEFAULT_IPV4_PREFIX),
        ipv6_prefix: ipv6_prefix.unwrap_or(PerSource::DEFAULT_IPV6_PREFIX),
    })
}

/// The table of limits has an end.
pub(super) fn check_number(entries: &[ClassEntry], classes: &[Class], problems: &mut Problems) {
    let max = usize::try_from(MAX_SOURCE_LIMITS).unwrap_or(usize::MAX);
    let mut distinct = BTreeSet::new();
    for (entry, class) in entries.iter().zip(classes) {
        let (Some(field), Some(per_source)) = (&entry.per_source.rate, class.per_source) else {
            continue;
        };
        distinct.insert(per_source);
        if distinct.len() > max {
            let message = format!("the classes have more than {max} different limits per source");
            problems.add(Problem::error(field.span(), message).label("the first one too many"));
            return;
        }
    }
}
