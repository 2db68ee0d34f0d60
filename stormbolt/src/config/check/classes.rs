//! `[class.NAME]`

use std::collections::BTreeSet;

use stormbolt_common::limits::MAX_CPU_SETS;
use stormbolt_control::policy::{Class, CpuSet, Interface};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::interfaces::rate;
use super::per_source::{check_number, per_source};
use super::treatment::treatment;
use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::ClassEntry;
use crate::config::fields::cpus;
use crate::config::numbers::integer;
use crate::config::section::{Field, Scalar};
use crate::config::units::{Burst, MAX_RATE, parse_burst, parse_rate, write_time};

/// Longest name of a class or a set.
const MAX_NAME: usize = 63;
pub(super) const DEFAULT_PRIORITY: u32 = 3;
const DEFAULT_BURST: Nanoseconds = Nanoseconds::from_millis(50);
const MIN_BURST: Nanoseconds = Nanoseconds::from_millis(1);
const MAX_BURST: Nanoseconds = Nanoseconds::from_millis(10_000);

/// All classes in the order of the file, one for each entry.
pub(super) fn classes(
    entries: &[ClassEntry],
    interfaces: &[Interface],
    problems: &mut Problems,
) -> Vec<Class> {
    let capacities = interfaces.iter().map(|interface| interface.capacity);
    let largest = interfaces.iter().map(Interface::largest_capacity);
    let links = Links {
        smallest: capacities.min().unwrap_or(MAX_RATE),
        largest: largest.max().unwrap_or(MAX_RATE),
    };
    let classes: Vec<_> = entries
        .iter()
        .map(|entry| class(entry, &links, problems))
        .collect();
    check_cpu_sets(entries, &classes, problems);
    check_number(entries, &classes, problems);
    classes
}

/// The capacities that matter to a class.
struct Links {
    smallest: BitsPerSecond,
    largest: BitsPerSecond,
}

fn class(entry: &ClassEntry, links: &Links, problems: &mut Problems) -> Class {
    check_name("class", entry.name.get_ref(), entry.name.span(), problems);
    let mut number = |key, field: Option<&Field>, default, bounds| {
        field
            .and_then(|field| integer(key, field, bounds, problems))
            .unwrap_or(default)
    };
    let priority = number("priority", entry.priority.as_ref(), DEFAULT_PRIORITY, 0..=7);
    let weight = number("weight", entry.weight.as_ref(), 1, 1..=1000);
    let guarantee = entry
        .rate
        .as_ref()
        .and_then(|field| guarantee(field, problems));
    let guarantee = guarantee.unwrap_or_default();
    let ceil = entry
        .ceil
        .as_ref()
        .and_then(|field| ceil(field, links.largest, problems));
    check_order((&entry.rate, guarantee), (&entry.ceil, ceil), problems);
    // What a size lasts for: at the highest rate the class may reach, or else at the one it is
    // sure of. Sizes that are given together with neither are meant for the link.
    let reference = ceil.or(Some(guarantee).filter(|rate| *rate != BitsPerSecond::ZERO));
    let reference = reference.unwrap_or(links.smallest);
    let burst = entry
        .burst
        .as_ref()
        .and_then(|field| burst(field, reference, problems));
    Class {
        name: entry.name.get_ref().clone(),
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        rate: guarantee,
        ceil,
        // Names of groups are looked up when all are known.
        group: None,
        burst: burst.unwrap_or(DEFAULT_BURST),
        weight,
        cpus: entry.cpus.as_ref().and_then(|list| cpus(list, problems)),
        per_source: per_source(&entry.per_source, ceil.unwrap_or(links.largest), problems),
        treatment: treatment(entry, problems),
    }
}

/// No guarantee is above the ceil.
pub(super) fn check_order(
    (rate, guarantee): (&Option<Field>, BitsPerSecond),
    (limit, ceil): (&Option<Field>, Option<BitsPerSecond>),
    problems: &mut Problems,
) {
    if let (Some(rate), Some(limit), Some(ceil)) = (rate, limit, ceil)
        && guarantee > ceil
    {
        let message = format!("the guaranteed `rate` of {guarantee} is above the `ceil` of {ceil}");
        let problem = Problem::error(rate.span(), message).label("guaranteed");
        problems.add(problem.also(limit.span(), "but never more than this"));
    }
}

pub(super) fn guarantee(field: &Field, problems: &mut Problems) -> Option<BitsPerSecond> {
    if is_zero(field) {
        return Some(BitsPerSecond::ZERO);
    }
    rate("rate", field, problems)
}

pub(super) fn ceil(
    field: &Field,
    largest: BitsPerSecond,
    problems: &mut Problems,
) -> Option<BitsPerSecond> {
    if is_zero(field) {
        let problem = Problem::error(field.span(), "a `ceil` of zero would drop every packet");
        problems.add(problem.help("to drop packets, write a rule with `action = \"drop\"`"));
        return None;
    }
    let ceil = rate("ceil", field, problems)?;
    if ceil > largest {
        let message = format!("the `ceil` of {ceil} is above the capacity of every interface");
        problems.add(Problem::warning(field.span(), message).help("it limits nothing"));
    }
    Some(ceil)
}

fn is_zero(field: &Field) -> bool {
    matches!(field.get_ref(), Scalar::Text(given) if parse_rate(given) == Ok(BitsPerSecond::ZERO))
}

fn burst(field: &Field, at: BitsPerSecond, problems: &mut Problems) -> Option<Nanoseconds> {
    let problem = match field.get_ref() {
        Scalar::Invalid => return None,
        Scalar::Text(given) => match parse_burst(given).map(|burst| (burst, in_time(burst, at))) {
            Ok((_, time)) if (MIN_BURST..=MAX_BURST).contains(&time) => return Some(time),
            Ok((Burst::Time(_), _)) => {
                Problem::error(field.span(), format!("burst `{given}` is out of bounds"))
                    .help("it is from 1ms to 10s")
            }
            Ok((Burst::Bytes(_), time)) => {
                let time = write_time(time);
                let message = format!("burst `{given}` lasts {time} at {at}: out of bounds");
                Problem::error(field.span(), message)
                    .help("it is from 1ms to 10s; write it as a time, like \"20ms\"")
            }
            Err(error) => Problem::error(field.span(), error.to_string()).help(error.help()),
        },
        Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => {
            let problem = Problem::error(field.span(), "`burst` has no unit");
            problem.help("write a time or a size in quotes, like \"20ms\" or \"64KiB\"")
        }
    };
    problems.add(problem);
    None
}

/// How long a burst lasts at a rate, rounded up.
fn in_time(burst: Burst, at: BitsPerSecond) -> Nanoseconds {
    match burst {
        Burst::Time(time) => time,
        Burst::Bytes(bytes) => {
            let bit_nanoseconds = u128::from(bytes) * 8 * 1_000_000_000;
            let time = bit_nanoseconds.div_ceil(u128::from(at.0).max(1));
            Nanoseconds(u64::try_from(time).unwrap_or(u64::MAX))
        }
    }
}

/// Names of classes and sets go into commands, addresses of the API and metrics.
pub(super) fn check_name(
    what: &str,
    name: &str,
    span: std::ops::Range<usize>,
    problems: &mut Problems,
) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        let problem = Problem::error(span, format!("`{name}` cannot be the name of a {what}"));
        problems.add(problem.help("names have 1 to 63 of the characters A-Z a-z 0-9 _ . -"));
    }
}

fn check_cpu_sets(entries: &[ClassEntry], classes: &[Class], problems: &mut Problems) {
    let max = usize::try_from(MAX_CPU_SETS).unwrap_or(usize::MAX);
    let mut distinct: BTreeSet<&CpuSet> = BTreeSet::new();
    for (entry, class) in entries.iter().zip(classes) {
        let (Some(list), Some(set)) = (&entry.cpus, &class.cpus) else {
            continue;
        };
        distinct.insert(set);
        if distinct.len() > max {
            let message = format!("the classes have more than {max} different CPU sets");
            problems.add(Problem::error(list.span(), message).label("the first one too many"));
            return;
        }
    }
}
