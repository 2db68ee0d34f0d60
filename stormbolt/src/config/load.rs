//! From text, or a file, to a policy.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use stormbolt_control::policy::Policy;

use super::check;
use super::diagnostic::{PolicyError, Problems, Report};
use super::document::Document;
use super::position::Lines;

/// The largest policy file that is read, in bytes: 64 MiB.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// A policy that can be applied, and what looks suspicious in it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy, with every name resolved.
    pub policy: Policy,
    /// Warnings only; empty for a clean file.
    pub warnings: Report,
}

/// A policy file cannot be read, or is not a policy.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened or read.
    #[error("cannot read policy file `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("policy file `{}` is larger than 64 MiB", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("policy file `{}` is not UTF-8 text: first bad byte at {line}:{column}", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
        /// Line of the first byte that is not UTF-8, from 1.
        line: usize,
        /// Its column in characters, from 1.
        column: usize,
    },
    /// The text is not a valid policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Reads and checks the text of a policy. `name` stands for the file in messages.
///
/// # Errors
///
/// When the text is not TOML, or not a valid policy. All problems that one pass can find are in
/// the error: those of the syntax if there are any, else those of keys, values and names together.
pub fn parse(name: &str, text: &str) -> Result<Loaded, PolicyError> {
    let mut problems = Problems::default();
    let policy = Document::read(text, &mut problems)
        .map(|document| check::policy(document, &mut problems))
        .filter(|_| !problems.failed());
    match policy {
        Some(policy) => Ok(Loaded {
            policy,
            warnings: problems.into_report(name, text),
        }),
        None => Err(problems.into_error(name, text)),
    }
}

/// Reads a policy file and checks it; also returns its text.
///
/// # Errors
///
/// When the file cannot be read, is larger than [`MAX_FILE_BYTES`], is not UTF-8, or is not a
/// valid policy.
pub fn load(path: &Path) -> Result<(Loaded, String), LoadError> {
    let bytes = read_limited(path, MAX_FILE_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let position = Lines::of(&String::from_utf8_lossy(before)).position(valid);
        LoadError::NotText {
            path: path.into(),
            line: position.line,
            column: position.column,
        }
    })?;
    let loaded = parse(&path.display().to_string(), &text)?;
    Ok((loaded, text))
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let read = |source| LoadError::Read {
        path: path.into(),
        source,
    };
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits, and
    // needs no size, which pipes and devices do not have.
    let file = File::open(path).map_err(read)?;
    let length = file.take(limit + 1).read_to_end(&mut bytes).map_err(read)?;
    if u64::try_from(length).is_ok_and(|length| length > limit) {
        return Err(LoadError::TooLarge { path: path.into() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_file_that_is_not_text_is_refused_with_the_place() {
        let error = load(file(b"version = 1\n# caf\xe9\n").path()).unwrap_err();
        assert!(
            matches!(
                error,
                LoadError::NotText {
                    line: 2,
                    column: 6,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused_and_one_at_it_is_read() {
        let file = file(&[b'#'; 100]);
        assert_eq!(read_limited(file.path(), 100).unwrap().len(), 100);
        let error = read_limited(file.path(), 99).unwrap_err();
        assert!(matches!(error, LoadError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Path::new("/nonexistent/policy.toml")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read policy file `/nonexistent/policy.toml`"
        );
    }

    #[test]
    fn the_text_comes_back_with_the_policy() {
        let text = include_str!("../../../docs/examples/gateway.toml");
        let (loaded, read) = load(file(text.as_bytes()).path()).unwrap();
        assert_eq!(read, text);
        assert!(loaded.warnings.is_empty());
    }
}
