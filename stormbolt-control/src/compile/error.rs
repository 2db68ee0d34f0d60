//! Why rules cannot be compiled.

use stormbolt_common::limits::MAX_RULES;
use thiserror::Error;

/// Why rules do not fit the tables.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompileError {
    /// More rules than there are counters for.
    #[error("{rules} rules, but at most {MAX_RULES} fit; merge rules that differ in one field")]
    TooManyRules {
        /// Rules in the policy.
        rules: usize,
    },
    /// The lists of prefixes overlap in more ways than there are numbers for.
    #[error(
        "the sets and lists of prefixes overlap in too many ways (at most 65,536, and fewer where lists \
         are thousands); name fewer different lists in rules"
    )]
    TooManySetClasses,
    /// Rules name long lists of prefixes in too many combinations.
    #[error(
        "the lists of prefixes in rules have {prefixes} prefixes, but at most {} fit, where a set \
         counts once for every different list that names it; name large sets alone, or in the \
         same combinations",
        super::known::MAX_LISTED_PREFIXES
    )]
    TooManyListedPrefixes {
        /// Prefixes of all lists.
        prefixes: usize,
    },
    /// Rules that no cuts tell apart.
    #[error(
        "{} rules overlap so much that a packet would have to be compared with each of them: {}; \
         order them by what they have in common, or merge them",
        rules.len(),
        names(rules)
    )]
    Entangled {
        /// Names of the rules.
        rules: Vec<String>,
    },
    /// The tables are too small.
    #[error(
        "the rules and sets need at least {} of table memory, but there are {}{}; start the daemon \
         with a larger --table-memory or `[tables] memory`, or simplify these",
        bytes(*needed),
        bytes(*budget),
        costs(most)
    )]
    OverBudget {
        /// Bytes that are needed, at least.
        needed: u64,
        /// Bytes that there are.
        budget: u64,
        /// What takes most, with bytes.
        most: Vec<(String, u64)>,
    },
    /// Given up by whoever asked.
    #[error(
        "given up: compiling the rules took too long; they overlap in many ways, so simplify them or \
         split them by address"
    )]
    Interrupted,
}

/// The first few names.
fn names(rules: &[String]) -> String {
    let shown: Vec<_> = rules
        .iter()
        .take(5)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = if rules.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    shown.join(", ") + more
}

/// Nothing where it is not known.
fn costs(most: &[(String, u64)]) -> String {
    let shown = most
        .iter()
        .filter(|(_, cost)| *cost > 0)
        .map(|(name, cost)| format!("{name} ({})", bytes(*cost)));
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() {
        return String::new();
    }
    format!("; most go to {}", shown.join(", "))
}

/// A size for people.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..=1_048_575 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}
