//! Tokens, by which callers over TLS are known.
//!
//! A file has one a line: the right, `read-only` or `read-write`, and the token. Lines that begin with `#` are
//! comments.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::access::Right;

/// The shortest token: 32 characters of a base64 alphabet have 192 bits.
const MIN_LENGTH: usize = 32;
/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Why a file of tokens is not used.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("cannot read the tokens in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "others may read the tokens in {}: its mode is {mode:03o}; chmod 600 it",
        path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line is no token.
    #[error("{}:{line}: {message}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line.
        line: usize,
        /// What is wrong with it.
        message: &'static str,
    },
    /// There is none in it.
    #[error("no token is in {}: write `read-only TOKEN` or `read-write TOKEN` into it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// The tokens that are known. Only their hashes are kept.
#[derive(Debug)]
pub struct Tokens(Vec<([u8; 32], Right)>);

impl Tokens {
    /// Reads a file of tokens, which nobody but its owner may read.
    ///
    /// # Errors
    ///
    /// It cannot be read, others may read it, or something in it is no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::Read {
            path: path.to_owned(),
            source,
        };
        let mut text = String::new();
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        file.take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, TokenError> {
        let mut tokens = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            tokens.push(token(text).map_err(|message| TokenError::Line {
                path: path.to_owned(),
                line,
                message,
            })?);
        }
        if tokens.is_empty() {
            return Err(TokenError::Empty {
                path: path.to_owned(),
            });
        }
        Ok(Self(tokens))
    }

    /// The right that the token in a request gives. Takes the same time whatever the token is.
    pub(super) fn right_of(&self, headers: &HeaderMap) -> Option<Right> {
        let said = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, token) = said.split_at_checked(7)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        let mut right = None;
        for (known, of_known) in &self.0 {
            if bool::from(known.ct_eq(&hash)) {
                right = Some(*of_known);
            }
        }
        right
    }
}

fn token(text: &str) -> Result<([u8; 32], Right), &'static str> {
    let (right, token) = text
        .split_once(char::is_whitespace)
        .ok_or("write the right first, `read-only` or `read-write`, and then the token")?;
    let right = match right {
        "read-only" => Right::ReadOnly,
        "read-write" => Right::ReadWrite,
        _ => return Err("the right is neither `read-only` nor `read-write`"),
    };
    let token = token.trim();
    if token.len() < MIN_LENGTH {
        return Err("the token is shorter than 32 characters: `openssl rand -hex 32` makes one");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the token has spaces or characters other than ASCII in it");
    }
    Ok((Sha256::digest(token).into(), right))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const LOOKS: &str = "0123456789abcdef0123456789abcdef";
    const CHANGES: &str = "fedcba9876543210fedcba9876543210";

    fn headers(authorization: &str) -> HeaderMap {
        let value = authorization.parse().unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    fn parsed(text: &str) -> Result<Tokens, String> {
        Tokens::parse(Path::new("tokens"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_gives_the_right_that_stands_before_it() {
        let text = format!("# monitoring\nread-only {LOOKS}\n\nread-write  {CHANGES}\n");
        let tokens = parsed(&text).unwrap();
        let right = |said: &str| tokens.right_of(&headers(said));
        assert_eq!(right(&format!("Bearer {LOOKS}")), Some(Right::ReadOnly));
        assert_eq!(right(&format!("bearer {CHANGES}")), Some(Right::ReadWrite));
        assert_eq!(right(&format!("Basic {CHANGES}")), None);
        assert_eq!(right(&format!("Bearer {}", CHANGES.to_uppercase())), None);
        for said in ["", "Bearer", "Bearer "] {
            assert_eq!(right(said), None, "{said}");
        }
        assert_eq!(tokens.right_of(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_no_token_is_named_by_its_line() {
        let cases = [
            ("", "no token is in tokens"),
            ("read-only short", "tokens:1: the token is shorter"),
            (
                "\nadmin 0123456789abcdef0123456789abcdef",
                "tokens:2: the right is neither",
            ),
            (
                "0123456789abcdef0123456789abcdef",
                "tokens:1: write the right first",
            ),
            (
                "read-only 0123456789abcdef 0123456789abcdef",
                "tokens:1: the token has spaces",
            ),
        ];
        for (text, expected) in cases {
            let error = parsed(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        fs::write(&path, format!("read-only {LOOKS}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Tokens::read(&path).unwrap_err().to_string();
        assert!(error.ends_with("its mode is 640; chmod 600 it"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Tokens::read(&path).unwrap();
    }
}
