//! The keys of `[interface.NAME]` for a capacity that follows its link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use stormbolt_control::policy::{Adaptive, MAX_PROBES};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::controller::time;
use super::interfaces::rate;
use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::{AdaptiveEntry, InterfaceEntry};
use crate::config::numbers::text;
use crate::config::section::{Field, List};

const DEFAULT_PROBE_INTERVAL: Nanoseconds = Nanoseconds::from_millis(100);
const MIN_PROBE_INTERVAL: Nanoseconds = Nanoseconds::from_millis(20);
const MAX_PROBE_INTERVAL: Nanoseconds = Nanoseconds::from_millis(1_000);
const DEFAULT_DELAY_TARGET: Nanoseconds = Nanoseconds::from_millis(15);
const MIN_DELAY_TARGET: Nanoseconds = Nanoseconds::from_millis(1);
const MAX_DELAY_TARGET: Nanoseconds = Nanoseconds::from_millis(1_000);

/// `None`: the capacity stays as it is, or it is not known what was meant.
pub(super) fn adaptive(
    interface: &InterfaceEntry,
    capacity: Option<BitsPerSecond>,
    problems: &mut Problems,
) -> Option<Adaptive> {
    let entry = &interface.adaptive;
    let (min_field, max_field) = match (&entry.min, &entry.max) {
        (Some(min), Some(max)) => (min, max),
        (Some(alone), None) => {
            refuse_alone(("capacity-min", "capacity-max"), alone, problems);
            return None;
        }
        (None, Some(alone)) => {
            refuse_alone(("capacity-max", "capacity-min"), alone, problems);
            return None;
        }
        (None, None) => {
            refuse_without_bounds(entry, problems);
            return None;
        }
    };
    let min = rate("capacity-min", min_field, problems);
    let max = rate("capacity-max", max_field, problems);
    let is_probed = entry.probe.is_some();
    let probes = entry.probe.as_ref().map(|list| probes(list, problems));
    let bounds = (
        MIN_PROBE_INTERVAL,
        MAX_PROBE_INTERVAL,
        "it is from 20ms to 1s",
    );
    let probe_interval = entry.probe_interval.as_ref();
    let probe_interval =
        probe_interval.and_then(|field| time("probe-interval", field, bounds, problems));
    let bounds = (MIN_DELAY_TARGET, MAX_DELAY_TARGET, "it is from 1ms to 1s");
    let delay_target = entry.delay_target.as_ref();
    let delay_target = delay_target.and_then(|field| time("delay-target", field, bounds, problems));
    if !is_probed {
        warn_unprobed(interface, problems);
    }
    let (min, max) = min.zip(max)?;
    if let Some((capacity, field)) = capacity.zip(interface.capacity.as_ref()) {
        let (start, min, max) = ((capacity, field), (min, min_field), (max, max_field));
        check_order(start, min, max, problems);
    }
    Some(Adaptive {
        min,
        max,
        probes: probes.unwrap_or_default(),
        probe_interval: probe_interval.unwrap_or(DEFAULT_PROBE_INTERVAL),
        delay_target: delay_target.unwrap_or(DEFAULT_DELAY_TARGET),
    })
}

fn refuse_alone((given, missing): (&str, &str), field: &Field, problems: &mut Problems) {
    let problem = Problem::error(field.span(), format!("`{given}` without `{missing}`"));
    problems.add(
        problem
            .help("give both for a capacity that follows the link, or neither for one that stays"),
    );
}

/// What says how a capacity follows says nothing about one that stays.
fn refuse_without_bounds(entry: &AdaptiveEntry, problems: &mut Problems) {
    let keys = [
        ("probe", entry.probe.as_ref().map(List::span)),
        (
            "probe-interval",
            entry.probe_interval.as_ref().map(Field::span),
        ),
        ("delay-target", entry.delay_target.as_ref().map(Field::span)),
    ];
    for (key, span) in keys {
        let Some(span) = span else { continue };
        let message =
            format!("`{key}` is for a capacity that follows the link, and this one stays");
        let problem = Problem::error(span, message);
        problems.add(
            problem.help("give the bounds that it moves between: `capacity-min`, `capacity-max`"),
        );
    }
}

fn warn_unprobed(interface: &InterfaceEntry, problems: &mut Problems) {
    let entry = &interface.adaptive;
    let name = interface.name.get_ref();
    let message = format!("the capacity of `{name}` follows the link without a `probe`");
    let problem = Problem::warning(interface.name.span(), message);
    problems.add(problem.help(
        "only frames that the device itself loses lower it; to see queues elsewhere, name an address \
         beyond the bottleneck that answers echo requests",
    ));
    let useless = [
        ("probe-interval", &entry.probe_interval),
        ("delay-target", &entry.delay_target),
    ];
    for (key, field) in useless {
        if let Some(field) = field {
            let message = format!("`{key}` means nothing without `probe`");
            problems.add(Problem::warning(field.span(), message));
        }
    }
}

/// `capacity-min` <= `capacity` <= `capacity-max`.
fn check_order(
    (start, start_field): (BitsPerSecond, &Field),
    (min, min_field): (BitsPerSecond, &Field),
    (max, max_field): (BitsPerSecond, &Field),
    problems: &mut Problems,
) {
    let mut refuse = |message: String, field: &Field| {
        let problem = Problem::error(field.span(), message).label("a bound");
        problems.add(problem.also(start_field.span(), "where it starts"));
    };
    if min > start {
        let message = format!("the `capacity-min` of {min} is above the `capacity` of {start}");
        refuse(message, min_field);
    }
    if max < start {
        let message = format!("the `capacity-max` of {max} is below the `capacity` of {start}");
        refuse(message, max_field);
    }
}

fn probes(list: &List, problems: &mut Problems) -> Vec<IpAddr> {
    let fields = list.get_ref();
    if fields.is_empty() {
        let problem = Problem::error(list.span(), "the list is empty, so nobody would be asked");
        problems.add(problem.help("name an address, or leave the key out"));
    }
    if let Some(first) = fields.get(MAX_PROBES) {
        let message = format!(
            "{} probes, but at most {MAX_PROBES} are asked",
            fields.len()
        );
        problems.add(Problem::error(first.span(), message).label("the first one too many"));
    }
    let mut probes = Vec::new();
    for field in fields.iter().take(MAX_PROBES) {
        let Some(given) = text("probe", field, problems) else {
            continue;
        };
        match probe(given) {
            Ok(address) if probes.contains(&address) => {
                let message = format!("`{address}` is there twice");
                problems.add(Problem::error(field.span(), message));
            }
            Ok(address) => probes.push(address),
            Err((message, help)) => {
                problems.add(Problem::error(field.span(), message).help(help));
            }
        }
    }
    probes
}

/// Reads an address that can be asked, or says what is wrong with it and what to do.
fn probe(given: &str) -> Result<IpAddr, (String, String)> {
    let Ok(address) = given.parse::<IpAddr>() else {
        let message = format!("`{given}` is not an address");
        let help = "write one like `192.0.2.1` or `2001:db8::1`; names are not looked up";
        return Err((message, help.to_owned()));
    };
    let refuse = |why: &str, help: String| Err((format!("`{address}` {why}"), help));
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return refuse("is an IPv4 address in IPv6 form", format!("write `{v4}`"));
    }
    if !is_single(address) {
        let help = "a probe asks one machine beyond the bottleneck".to_owned();
        return refuse("is not the address of one machine", help);
    }
    if address.is_loopback() {
        let help = "a probe asks a machine beyond the bottleneck".to_owned();
        return refuse("is this machine itself", help);
    }
    Ok(address)
}

fn is_single(address: IpAddr) -> bool {
    let nobody = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::BROADCAST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    !address.is_multicast() && !nobody.contains(&address)
}
