//! `[interface.NAME]`

use stormbolt_control::policy::{AttachMode, Interface};
use stormbolt_control::units::BitsPerSecond;

use super::adaptive::adaptive;
use crate::config::diagnostic::{Problem, Problems};
use crate::config::document::InterfaceEntry;
use crate::config::numbers::{text, word};
use crate::config::section::{Field, Scalar};
use crate::config::units::{MAX_RATE, MIN_RATE, parse_rate};

/// Longest name of a Linux interface in bytes: `IFNAMSIZ` less the closing zero.
const MAX_NAME: usize = 15;

/// How the ways of attaching are written.
pub(in crate::config) const MODES: &[(&str, AttachMode)] = &[
    ("auto", AttachMode::Auto),
    ("native", AttachMode::Native),
    ("generic", AttachMode::Generic),
];

pub(super) fn interfaces(entries: &[InterfaceEntry], problems: &mut Problems) -> Vec<Interface> {
    if entries.is_empty() {
        // A service starts with what its package has brought, and waits.
        let problem = Problem::warning(0..0, "no interface is configured: nothing is managed");
        problems.add(problem.help("write `[interface.eth0]` with `capacity = \"10Gbit\"`"));
    }
    entries
        .iter()
        .map(|entry| interface(entry, problems))
        .collect()
}

fn interface(entry: &InterfaceEntry, problems: &mut Problems) -> Interface {
    let name = entry.name.get_ref().clone();
    if let Some(reason) = name_fault(&name) {
        let message = format!("`{name}` cannot be the name of an interface: {reason}");
        problems.add(Problem::error(entry.name.span(), message));
    }
    let capacity = if let Some(field) = &entry.capacity {
        rate("capacity", field, problems)
    } else {
        let message = format!("interface `{name}` has no `capacity`");
        let problem = Problem::error(entry.name.span(), message);
        problems.add(problem.help("write what the link carries: `capacity = \"10Gbit\"`"));
        None
    };
    let mode = entry
        .mode
        .as_ref()
        .and_then(|field| word("mode", field, MODES, problems));
    let adaptive = adaptive(entry, capacity, problems);
    // A rate that was not understood must not make every guarantee look too large.
    Interface {
        name,
        capacity: capacity.unwrap_or(MAX_RATE),
        mode: mode.unwrap_or_default(),
        overhead: entry
            .overhead
            .as_ref()
            .and_then(|field| overhead(field, problems))
            .unwrap_or(0),
        adaptive,
        then: entry.then.as_ref().and_then(|field| then(field, problems)),
    }
}

/// Longest path in bytes: `PATH_MAX` less the closing zero.
const MAX_PATH: usize = 4095;

/// Where the program is pinned that goes on with what passes.
fn then(field: &Field, problems: &mut Problems) -> Option<String> {
    let path = text("then", field, problems)?;
    let fault = if !path.starts_with('/') {
        "must be an absolute path"
    } else if path.ends_with('/') {
        "must be the path of a pinned program, not of a directory"
    } else if path.len() > MAX_PATH {
        "is longer than a path may be"
    } else if path.contains(char::is_control) {
        "contains control characters"
    } else {
        return Some(path.to_owned());
    };
    let problem = Problem::error(field.span(), format!("`then` {fault}"));
    problems.add(problem.help(
        "name the pin of the XDP program that gets the packets which pass: \
         `then = \"/sys/fs/bpf/stormbolt/other\"`",
    ));
    None
}

/// What the policer's table has room for.
const OVERHEADS: std::ops::RangeInclusive<i64> = -64..=127;

fn overhead(field: &Field, problems: &mut Problems) -> Option<i8> {
    match field.get_ref() {
        Scalar::Invalid => None,
        Scalar::Number(bytes) if OVERHEADS.contains(bytes) => i8::try_from(*bytes).ok(),
        Scalar::Number(_) | Scalar::Text(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => {
            let problem = Problem::error(
                field.span(),
                "`overhead` must be an integer from -64 to 127",
            );
            problems.add(problem.help(
                "the bytes that each packet has more on the link than its Ethernet frame without FCS: 24 \
                 for Ethernet with FCS, preamble and gap",
            ));
            None
        }
    }
}

/// What the kernel's `dev_valid_name` refuses, what would garble every table, and what means something
/// else in a rule.
fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > MAX_NAME {
        Some("it is longer than 15 bytes")
    } else if name == "." || name == ".." {
        Some("Linux reserves it")
    } else if name.contains(['/', ':']) {
        Some("it contains `/` or `:`")
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some("it contains white space or control characters")
    } else if name.starts_with('!') {
        Some("rules would read it as every interface but that; rename it with `ip link set`")
    } else {
        None
    }
}

/// Reads a rate within bounds. Zero is out of bounds; keys that take it check for it themselves.
pub(super) fn rate(key: &str, field: &Field, problems: &mut Problems) -> Option<BitsPerSecond> {
    let problem = match field.get_ref() {
        Scalar::Invalid => return None,
        Scalar::Text(given) => match parse_rate(given) {
            Ok(rate) if (MIN_RATE..=MAX_RATE).contains(&rate) => return Some(rate),
            Ok(rate) => {
                let message = format!("`{key}` of {rate} is out of bounds");
                let help = format!("rates are from {MIN_RATE} to {MAX_RATE}");
                Problem::error(field.span(), message).help(help)
            }
            Err(error) => Problem::error(field.span(), error.to_string()).help(error.help()),
        },
        Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => {
            let problem = Problem::error(field.span(), format!("`{key}` has no unit"));
            problem.help("write a rate in quotes, like \"500Mbit\"")
        }
    };
    problems.add(problem);
    None
}
