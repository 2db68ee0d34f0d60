//! Prefixes that are no part of a policy: those that a set gains or loses.

use ipnet::IpNet;
use stormbolt_control::policy::MAX_SET_PREFIXES;

use super::set_prefixes::Prefixes;
use crate::config::diagnostic::{Problem, Problems};

/// Reads the text of a file with one prefix or address a line.
pub(in crate::config) fn prefix_lines(
    set: &str,
    text: &str,
    problems: &mut Problems,
) -> Vec<IpNet> {
    let mut prefixes = Prefixes::new(set);
    prefixes.read_lines(text, problems);
    finish(prefixes, problems)
}

/// Reads prefixes and addresses; the problems are in a text of which each is a line.
pub(in crate::config) fn prefix_entries(
    set: &str,
    entries: &[String],
    problems: &mut Problems,
) -> Vec<IpNet> {
    let mut prefixes = Prefixes::new(set);
    prefixes.read_entries(entries, problems);
    finish(prefixes, problems)
}

fn finish(prefixes: Prefixes<'_>, problems: &mut Problems) -> Vec<IpNet> {
    prefixes.finish().unwrap_or_else(|| {
        let message = format!("more than {MAX_SET_PREFIXES} different prefixes at once");
        problems.add(Problem::error(0..0, message).help("no set has more; give them in parts"));
        Vec::new()
    })
}
