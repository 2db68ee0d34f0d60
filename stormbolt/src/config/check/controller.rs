//! `[controller]`: how often it decides, by what law, and what holds without it.

use stormbolt_control::policy::{Failsafe, FailsafeMode, Law};
use stormbolt_control::units::Nanoseconds;

use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::ControllerEntry;
use crate::config::numbers::word;
use crate::config::section::{Field, Scalar};
use crate::config::units::{parse_time, write_time};

const DEFAULT_INTERVAL: Nanoseconds = Nanoseconds::from_millis(100);
const MIN_INTERVAL: Nanoseconds = Nanoseconds::from_millis(10);
const MAX_INTERVAL: Nanoseconds = Nanoseconds::from_millis(10_000);
const MIN_SILENCE: Nanoseconds = Nanoseconds::from_millis(100);
const MAX_SILENCE: Nanoseconds = Nanoseconds::from_millis(3_600_000);
/// One that is late is not silent yet.
const INTERVALS_OF_SILENCE: u64 = 3;

/// The interval.
pub(super) fn interval(entry: &ControllerEntry, problems: &mut Problems) -> Nanoseconds {
    let bounds = (MIN_INTERVAL, MAX_INTERVAL, "it is from 10ms to 10s");
    let given = entry.interval.as_ref();
    given
        .and_then(|field| time("interval", field, bounds, problems))
        .unwrap_or(DEFAULT_INTERVAL)
}

/// The law by which it shares out capacity.
pub(super) fn law(entry: &ControllerEntry, problems: &mut Problems) -> Law {
    let words = Law::ALL.map(|law| (law.name(), law));
    let given = entry.law.as_ref();
    given
        .and_then(|field| word("law", field, &words, problems))
        .unwrap_or_default()
}

/// What holds when the controller is silent; `interval` is its period.
pub(super) fn failsafe(
    entry: &ControllerEntry,
    interval: Nanoseconds,
    problems: &mut Problems,
) -> Failsafe {
    let words = [
        ("hold", FailsafeMode::Hold),
        ("guaranteed", FailsafeMode::Guaranteed),
        ("open", FailsafeMode::Open),
    ];
    let mode = entry.failsafe.as_ref();
    let mode = mode.and_then(|field| word("failsafe", field, &words, problems));
    let least = Nanoseconds(interval.0 * INTERVALS_OF_SILENCE).max(MIN_SILENCE);
    let bounds = (MIN_SILENCE, MAX_SILENCE, "it is from 100ms to 1h");
    let field = entry.failsafe_after.as_ref();
    let after = field.and_then(|field| {
        let given = time("failsafe-after", field, bounds, problems)?;
        if given < least {
            let message = format!(
                "failsafe-after `{}` is less than three intervals",
                write_time(given)
            );
            let help = format!(
                "with an interval of {} it is at least {}",
                write_time(interval),
                write_time(least)
            );
            problems.add(Problem::error(field.span(), message).help(help));
        }
        Some(given)
    });
    Failsafe {
        mode: mode.unwrap_or_default(),
        after: after.unwrap_or(Failsafe::default().after.max(least)),
    }
}

/// A time between bounds, which `help` says.
pub(super) fn time(
    key: &str,
    field: &Field,
    (min, max, help): (Nanoseconds, Nanoseconds, &str),
    problems: &mut Problems,
) -> Option<Nanoseconds> {
    let problem = match field.get_ref() {
        Scalar::Invalid => return None,
        Scalar::Text(given) => match parse_time(given) {
            Ok(time) if (min..=max).contains(&time) => return Some(time),
            Ok(time) => {
                let message = format!("{key} `{}` is out of bounds", write_time(time));
                Problem::error(field.span(), message).help(help)
            }
            Err(error) => Problem::error(field.span(), error.to_string()).help(error.help()),
        },
        Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => {
            let problem = Problem::error(field.span(), format!("`{key}` has no unit"));
            problem.help("write a time in quotes, like \"100ms\"")
        }
    };
    problems.add(problem);
    None
}
