//! From text, or a file, to a policy.

use std::io;
use std::path::{Path, PathBuf};

use stormbolt_control::policy::{MAX_SETS_PREFIXES, Policy};

use super::check;
use super::diagnostic::{PolicyError, Problems, Report};
use super::document::Document;
use super::set_files::{SetFiles, read_limited, utf8};

/// The largest policy that is read, in bytes: 192 MiB. As many prefixes as sets may have together fit
/// into it, each in the longest form there is.
pub const MAX_FILE_BYTES: u64 = 192 << 20;

const _: () =
    assert!(MAX_SETS_PREFIXES * "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128\n".len() < 192 << 20);

/// A policy that can be applied, and what looks suspicious in it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The policy, with every name resolved.
    pub policy: Policy,
    /// Warnings only; empty for a clean file.
    pub warnings: Report,
    /// The files that its sets were read from, besides its own text.
    pub set_files: Vec<PathBuf>,
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
    #[error("policy file `{}` is larger than {} MiB", path.display(), MAX_FILE_BYTES >> 20)]
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

/// Reads and checks the text of a policy. `name` stands for the file in messages. Sets that name
/// files are refused: the text may come from anywhere.
///
/// # Errors
///
/// When the text is not TOML, or not a valid policy. All problems that one pass can find are in
/// the error: those of the syntax if there are any, else those of keys, values and names together.
pub fn parse(name: &str, text: &str) -> Result<Loaded, PolicyError> {
    read(name, text, SetFiles::Refused)
}

/// Like [`parse`], with the files that sets name relative to `folder`.
///
/// # Errors
///
/// As there, and when such a file cannot be read or is not valid.
pub fn parse_in(folder: &Path, name: &str, text: &str) -> Result<Loaded, PolicyError> {
    read(name, text, SetFiles::In(folder))
}

/// Reads a policy file and the files that its sets name, and checks them; also returns the text of
/// the policy file.
///
/// # Errors
///
/// When the policy file cannot be read, is larger than [`MAX_FILE_BYTES`], is not UTF-8, or is not
/// a valid policy; the latter also when the same is the matter with the file of a set.
pub fn load(path: &Path) -> Result<(Loaded, String), LoadError> {
    let bytes = match read_limited(path, MAX_FILE_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(LoadError::TooLarge { path: path.into() }),
        Err(source) => {
            return Err(LoadError::Read {
                path: path.into(),
                source,
            });
        }
    };
    let text = utf8(bytes).map_err(|(line, column)| LoadError::NotText {
        path: path.into(),
        line,
        column,
    })?;
    let folder = path.parent().unwrap_or(path);
    let loaded = read(&path.display().to_string(), &text, SetFiles::In(folder))?;
    Ok((loaded, text))
}

fn read(name: &str, text: &str, files: SetFiles<'_>) -> Result<Loaded, PolicyError> {
    let mut problems = Problems::default();
    let mut set_files = Vec::new();
    let policy = Document::read(text, &mut problems)
        .map(|document| check::policy(document, text, files, &mut set_files, &mut problems))
        .filter(|_| !problems.failed());
    match policy {
        Some(policy) => Ok(Loaded {
            policy,
            warnings: problems.into_report(name, text),
            set_files,
        }),
        None => Err(problems.into_error(name, text)),
    }
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
        let length = |limit| {
            let bytes = read_limited(file.path(), limit).unwrap();
            bytes.map(|bytes| bytes.len())
        };
        assert_eq!((length(100), length(99)), (Some(100), None));
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
