//! The elements of sets, named ones and those in rules.

use super::tokens::{Kind, Token};
use crate::import::draft::Read;
use crate::import::values::{self, number};
use crate::policy::Range;

/// One element of a set.
pub(super) struct Element<'t>(&'t [Token]);

/// The elements before the closing brace.
pub(super) fn elements(tokens: &[Token]) -> impl Iterator<Item = Element<'_>> {
    let end = tokens.iter().position(|token| token.kind == Kind::Close);
    let tokens = end.and_then(|end| tokens.get(..end)).unwrap_or(tokens);
    let parts = tokens.split(|token| token.kind == Kind::Comma);
    parts.filter_map(|part| {
        let is_word = |token: &Token| token.kind != Kind::End;
        let first = part.iter().position(is_word)?;
        Some(Element(part.get(first..)?))
    })
}

impl<'t> Element<'t> {
    pub(super) fn line(&self) -> usize {
        self.0.first().map_or(0, |token| token.line)
    }

    /// Its value, without a comment or a counter behind it.
    pub(super) fn value(&self) -> Read<&'t str> {
        let mut texts = self.0.iter().filter(|token| token.kind != Kind::End);
        let value = texts.next().and_then(Token::text);
        let value = value.ok_or("a set in a set, or a map: StormBolt's sets have prefixes only")?;
        match texts.next().and_then(Token::text) {
            None | Some("comment" | "counter") => Ok(value),
            Some("timeout" | "expires") => {
                Err(format!("`{value}` expires, StormBolt's entries do not"))
            }
            Some(".") => Err("it joins several fields, StormBolt's sets have prefixes".to_owned()),
            Some(":") => Err("it is a map, StormBolt's rules are one list".to_owned()),
            Some(other) => Err(format!("`{other}` behind an element is not known")),
        }
    }
}

/// A port or a range of ports.
pub(super) fn port(text: &str) -> Read<Range<u16>> {
    let range = values::range(text, '-', number, (0, u16::MAX));
    range.ok_or_else(|| {
        format!("`{text}` is not a port number; `nft -nn list ruleset` prints those")
    })
}
