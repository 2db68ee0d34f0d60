//! Lists of prefixes that change a set: out of a request, or out of a file.

use std::path::Path;

use ipnet::IpNet;

use super::check;
use super::diagnostic::{PolicyError, Problems, Report};
use super::set_files::{SetFileError, SetFiles};

/// Prefixes in order, host bits zero, each once; and what looks suspicious in how they were given.
pub type PrefixList = (Vec<IpNet>, Report);

/// A file is no list of prefixes.
#[derive(Debug, thiserror::Error)]
pub enum PrefixFileError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] SetFileError),
    /// Something in it is no prefix.
    #[error(transparent)]
    Prefixes(#[from] PolicyError),
}

/// Reads prefixes and addresses as they stand in the list of a set. In what is found wrong, the line
/// is the position in the list, from 1. `name` stands for the list in messages, `set` is what it
/// changes.
///
/// # Errors
///
/// When one of them is no prefix, or they are more than a set may have.
pub fn parse_prefixes(
    name: &str,
    set: &str,
    entries: &[String],
) -> Result<PrefixList, PolicyError> {
    let mut problems = Problems::default();
    let prefixes = check::prefix_entries(set, entries, &mut problems);
    // There may be a million, so they are only written out where one is to be shown. A line break
    // inside of one must not move the others.
    let mut text = String::new();
    if !problems.is_empty() {
        for entry in entries {
            text.extend([entry.replace('\n', " ").as_str(), "\n"]);
        }
    }
    finish(name, &text, prefixes, problems)
}

/// Reads a file with one prefix or address a line, like the file of a set.
///
/// # Errors
///
/// When it cannot be read, is too large, or has something else in it.
pub fn load_prefixes(path: &Path, set: &str) -> Result<PrefixList, PrefixFileError> {
    let file = SetFiles::In(Path::new("")).read(path)?;
    let mut problems = Problems::default();
    let prefixes = check::prefix_lines(set, &file.text, &mut problems);
    let name = path.display().to_string();
    Ok(finish(&name, &file.text, prefixes, problems)?)
}

fn finish(
    name: &str,
    text: &str,
    prefixes: Vec<IpNet>,
    problems: Problems,
) -> Result<PrefixList, PolicyError> {
    if problems.failed() {
        return Err(problems.into_error(name, text));
    }
    Ok((prefixes, problems.into_report(name, text)))
}
