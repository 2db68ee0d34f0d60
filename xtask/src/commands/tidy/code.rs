//! Tells Rust code from the comments and strings around it.

use std::{iter::Peekable, str::Chars};

/// Returns `text` with comments, strings and characters blanked out, line by line as it was.
///
/// Knows nested comments, raw strings and lifetimes; takes for granted that the text compiles.
pub(super) fn only(text: &str) -> String {
    let mut reader = Reader {
        rest: text.chars().peekable(),
        code: String::with_capacity(text.len()),
    };
    while let Some(character) = reader.rest.next() {
        reader.read(character);
    }
    reader.code
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    code: String,
}

impl Reader<'_> {
    fn read(&mut self, character: char) {
        match (character, self.rest.peek().copied()) {
            ('/', Some('/')) => self.skip_line(),
            ('/', Some('*')) => self.skip_comment(),
            ('"', _) => self.skip_string(),
            ('r', Some('"' | '#')) if self.may_start_raw_string() => self.skip_raw_string(),
            ('\'', _) => self.skip_character(),
            _ => self.code.push(character),
        }
    }

    /// Keeps line breaks, so that lines keep their numbers.
    fn blank(&mut self, character: char) {
        self.code.push(if character == '\n' { '\n' } else { ' ' });
    }

    fn skip_line(&mut self) {
        while let Some(character) = self.rest.next_if(|&character| character != '\n') {
            self.blank(character);
        }
    }

    fn skip_comment(&mut self) {
        let mut depth = 0_u32;
        let mut previous = '/';
        while let Some(character) = self.rest.next() {
            self.blank(character);
            match (previous, character) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth = depth.saturating_sub(1),
                _ => {
                    previous = character;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
            // `/*/` opens and does not close.
            previous = ' ';
        }
    }

    fn skip_string(&mut self) {
        while let Some(character) = self.rest.next() {
            self.blank(character);
            match character {
                '\\' => {
                    if let Some(escaped) = self.rest.next() {
                        self.blank(escaped);
                    }
                }
                '"' => return,
                _ => {}
            }
        }
    }

    /// Reports whether an `r` begins a literal and does not end an identifier; `br` and `cr` do.
    fn may_start_raw_string(&self) -> bool {
        let word_start = self
            .code
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'));
        let word = self
            .code
            .get(word_start.map_or(0, |index| index + 1)..)
            .unwrap_or_default();
        matches!(word, "" | "b" | "c")
    }

    fn skip_raw_string(&mut self) {
        let mut hashes = 0_usize;
        while self.rest.next_if_eq(&'#').is_some() {
            hashes += 1;
        }
        if self.rest.next_if_eq(&'"').is_none() {
            // A raw identifier: `r#type`.
            return;
        }
        while let Some(character) = self.rest.next() {
            self.blank(character);
            let mut closing = 0;
            while character == '"' && closing < hashes && self.rest.next_if_eq(&'#').is_some() {
                closing += 1;
            }
            if character == '"' && closing == hashes {
                return;
            }
        }
    }

    /// Skips a character literal; of a lifetime or a label, only the quote.
    fn skip_character(&mut self) {
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('\\'), Some(_)) => {
                // Past the backslash and what it escapes, which may be a quote.
                self.rest.nth(1);
                while self.rest.next_if(|&character| character != '\'').is_some() {}
                self.rest.next();
            }
            (Some(_), Some('\'')) => {
                self.rest.nth(1);
            }
            _ => {}
        }
        self.code.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of `text` that are code.
    fn words(text: &str) -> Vec<String> {
        only(text).split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn comments_are_blanked_and_what_follows_them_is_not() {
        assert_eq!(words("a // unsafe\nb"), ["a", "b"]);
        assert_eq!(words("a /* unsafe /* nested */ unsafe */ b"), ["a", "b"]);
        assert_eq!(words("a /*/ unsafe */ b"), ["a", "b"]);
        assert_eq!(words("a /**/ b"), ["a", "b"]);
    }

    #[test]
    fn strings_are_blanked_and_what_follows_them_is_not() {
        assert_eq!(words(r#"a "unsafe \" unsafe" b"#), ["a", "b"]);
        assert_eq!(words(r#"a "unsafe \\" b"#), ["a", "b"]);
        assert_eq!(words("a r#\"unsafe \" unsafe\"# b"), ["a", "b"]);
        assert_eq!(words("a r\"unsafe \\\" b"), ["a", "b"]);
    }

    #[test]
    fn characters_are_blanked_and_lifetimes_end_nothing() {
        assert_eq!(words(r#"a '"' b"#), ["a", "b"]);
        assert_eq!(words(r"a '\'' b"), ["a", "b"]);
        assert_eq!(words(r"a '\u{22}' b"), ["a", "b"]);
        assert_eq!(words("fn f<'a>() unsafe"), ["fn", "f<", "a>()", "unsafe"]);
    }

    #[test]
    fn names_that_end_in_r_start_no_raw_string() {
        assert_eq!(words("for\"x\" b"), ["for", "b"]);
        assert_eq!(words("r#type b"), ["type", "b"]);
    }

    #[test]
    fn lines_keep_their_numbers() {
        assert_eq!(only("a\n/* b\nc */ d\n\"e\nf\" g").lines().count(), 5);
    }
}
