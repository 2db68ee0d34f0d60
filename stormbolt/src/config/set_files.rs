//! Files of sets: one prefix or address a line.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::load::MAX_FILE_BYTES;
use super::position::Lines;

/// Where the files that sets name are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum SetFiles<'p> {
    /// Nowhere: the policy comes from somebody for whom no files are opened.
    Refused,
    /// Relative to this folder.
    In(&'p Path),
}

/// The file of a set as it was found.
#[derive(Debug)]
pub(super) struct SetFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Why the text of a file of prefixes cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SetFileError {
    /// Whoever gave the policy may not have files opened.
    #[error("the file of a set cannot be read here")]
    Refused,
    /// It cannot be opened or read.
    #[error("cannot read `{}`: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It is larger than [`MAX_FILE_BYTES`].
    #[error("`{}` is larger than {} MiB", path.display(), MAX_FILE_BYTES >> 20)]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// It is not text.
    #[error("`{}` is not UTF-8 text: first bad byte at {line}:{column}", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
        /// Line of the first byte that is not UTF-8, from 1.
        line: usize,
        /// Its column in characters, from 1.
        column: usize,
    },
}

impl SetFileError {
    /// What to do about it.
    pub(super) const fn help(&self) -> &'static str {
        match self {
            Self::Refused => {
                "list the `prefixes` instead; `stormbolt apply` reads the files itself and sends \
                 what is in them"
            }
            Self::Read { .. } => "the path is relative to the policy file",
            Self::TooLarge { .. } => "split it into several sets",
            Self::NotText { .. } => "write one prefix or address a line",
        }
    }
}

impl SetFiles<'_> {
    /// Reads the file that a set calls `name`.
    pub(super) fn read(self, name: impl AsRef<Path>) -> Result<SetFile, SetFileError> {
        let Self::In(folder) = self else {
            return Err(SetFileError::Refused);
        };
        let path = folder.join(name);
        let bytes = match read_limited(&path, MAX_FILE_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(SetFileError::TooLarge { path }),
            Err(error) => return Err(SetFileError::Read { path, error }),
        };
        match utf8(bytes) {
            Ok(text) => Ok(SetFile { path, text }),
            Err((line, column)) => Err(SetFileError::NotText { path, line, column }),
        }
    }
}

/// Reads a file; `None` if it is larger than `limit` bytes.
pub(super) fn read_limited(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits, and
    // needs no size, which pipes and devices do not have.
    let length = File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    let fits = u64::try_from(length).is_ok_and(|length| length <= limit);
    Ok(fits.then_some(bytes))
}

/// Bytes as text, or line and column of the first that is not UTF-8.
pub(super) fn utf8(bytes: Vec<u8>) -> Result<String, (usize, usize)> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let position = Lines::of(&String::from_utf8_lossy(before)).position(valid);
        (position.line, position.column)
    })
}
