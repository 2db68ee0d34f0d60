//! The policy file: TOML text in, a checked [`Policy`](stormbolt_control::policy::Policy) or
//! everything that is wrong with it out.
//!
//! `document` reads the TOML into entries that remember where they stand, `fields` and `units`
//! give the values a meaning, `check` resolves the names and holds the whole against the limits.
//! Every stage adds its findings to one list and goes on, so that one run shows all of them.
//! What each key means to an operator is written in `docs/policy.md`.

mod check;
mod diagnostic;
mod difference;
mod document;
pub(crate) mod edit;
mod export;
mod fields;
mod load;
mod negation;
mod numbers;
mod one_rule;
mod position;
mod prefix_list;
mod prefixes;
mod render;
mod section;
mod set_files;
pub mod units;
pub mod words;

#[cfg(test)]
mod tests;

pub(crate) use diagnostic::in_file;
pub use diagnostic::{Finding, Label, PolicyError, Problem, Report, Severity};
pub(crate) use difference::{Changed, Difference, differences};
pub use export::{rule_to_toml, to_toml};
pub use load::{LoadError, Loaded, MAX_FILE_BYTES, load, parse, parse_in};
pub use one_rule::parse_rule;
pub use prefix_list::{PrefixFileError, PrefixList, load_prefixes, parse_prefixes};
pub use render::render;
pub use set_files::SetFileError;
