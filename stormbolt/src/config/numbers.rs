//! Numbers, ranges of numbers and lists of those.

use stormbolt_control::policy::Range;

use super::diagnostic::{Problem, Problems, did_you_mean};
use super::section::{Field, List, Scalar};

/// A kind of number that a key takes.
pub(super) struct Numbers<'a> {
    /// What one of them is called.
    pub(super) what: &'static str,
    /// The highest.
    pub(super) max: u16,
    /// Names that stand for numbers.
    pub(super) names: &'a [(&'a str, u16)],
    /// Values to show.
    pub(super) example: &'static str,
}

impl Numbers<'_> {
    /// Reads numbers and ranges, in the order given. An empty list is an error: it would match
    /// nothing. Returns those that are valid.
    pub(super) fn ranges<T: TryFrom<u16>>(
        &self,
        given: &List,
        problems: &mut Problems,
    ) -> Vec<Range<T>> {
        refuse_empty(given, problems);
        let mut ranges = Vec::with_capacity(given.get_ref().len());
        for field in given.get_ref() {
            let Some((first, last)) = self.range(field, problems) else {
                continue;
            };
            if let (Ok(first), Ok(last)) = (T::try_from(first), T::try_from(last)) {
                ranges.push(Range { first, last });
            }
        }
        ranges
    }

    fn range(&self, field: &Field, problems: &mut Problems) -> Option<(u16, u16)> {
        let read = match field.get_ref() {
            Scalar::Invalid => return None,
            Scalar::Number(number) => self.checked(*number).map(|number| (number, number)),
            Scalar::Text(text) => self.text(text),
            Scalar::OtherNumber(text) => Err(self.outside(text)),
            Scalar::Flag(flag) => Err((self.not_valid(flag), Some(self.form()))),
        };
        read.map_err(|(message, help)| {
            problems.add(Problem::error(field.span(), message).help_if(help));
        })
        .ok()
    }

    fn text(&self, text: &str) -> Result<(u16, u16), (String, Option<String>)> {
        if let Some(number) = self.end(text) {
            return number.map(|number| (number, number));
        }
        let ends = text
            .split_once('-')
            .and_then(|(a, b)| self.end(a).zip(self.end(b)));
        let Some((first, last)) = ends else {
            let help = if text.contains(',') {
                let items: Vec<_> = text
                    .split(',')
                    .map(|item| format!("\"{}\"", item.trim()))
                    .collect();
                Some(format!("write a list: [{}]", items.join(", ")))
            } else {
                let meant = did_you_mean(text, self.names.iter().map(|(name, _)| *name));
                Some(meant.unwrap_or_else(|| self.form()))
            };
            return Err((self.not_valid(text), help));
        };
        let (first, last) = (first?, last?);
        if first > last {
            let message = format!("range `{text}` ends before it begins");
            return Err((message, Some(format!("write \"{last}-{first}\""))));
        }
        Ok((first, last))
    }

    /// One end of a range. `None`: neither a number nor a name.
    fn end(&self, text: &str) -> Option<Result<u16, (String, Option<String>)>> {
        let text = text.trim();
        if let Some((_, number)) = self.names.iter().find(|(name, _)| *name == text) {
            return Some(Ok(*number));
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(
            text.parse()
                .map_or_else(|_| Err(self.outside(text)), |number| self.checked(number)),
        )
    }

    fn checked(&self, number: i64) -> Result<u16, (String, Option<String>)> {
        u16::try_from(number)
            .ok()
            .filter(|number| *number <= self.max)
            .ok_or_else(|| self.outside(&number.to_string()))
    }

    fn not_valid(&self, given: impl std::fmt::Display) -> String {
        format!("`{given}` is not a valid {}", self.what)
    }

    fn form(&self) -> String {
        format!("write {}", self.example)
    }

    fn outside(&self, text: &str) -> (String, Option<String>) {
        let message = format!(
            "{} `{text}` is not an integer from 0 to {}",
            self.what, self.max
        );
        (message, None)
    }
}

/// Reports a list without entries, for keys where it would match nothing.
pub(super) fn refuse_empty(list: &List, problems: &mut Problems) {
    if list.get_ref().is_empty() {
        let problem = Problem::error(list.span(), "the list is empty, so nothing would match");
        problems.add(problem.help("leave the key out to match everything"));
    }
}

/// Reads an integer within bounds.
pub(super) fn integer(
    key: &str,
    field: &Field,
    bounds: std::ops::RangeInclusive<u32>,
    problems: &mut Problems,
) -> Option<u32> {
    let number = match field.get_ref() {
        Scalar::Invalid => return None,
        Scalar::Number(number) => u32::try_from(*number).ok(),
        Scalar::Text(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => None,
    };
    let number = number.filter(|number| bounds.contains(number));
    if number.is_none() {
        let (first, last) = (bounds.start(), bounds.end());
        let message = format!("`{key}` must be an integer from {first} to {last}");
        problems.add(Problem::error(field.span(), message));
    }
    number
}

/// Reads `true` or `false`.
pub(super) fn flag(key: &str, field: &Field, problems: &mut Problems) -> Option<bool> {
    match field.get_ref() {
        Scalar::Flag(flag) => Some(*flag),
        Scalar::Invalid => None,
        Scalar::Text(_) | Scalar::Number(_) | Scalar::OtherNumber(_) => {
            let message = format!("`{key}` must be true or false, without quotes");
            problems.add(Problem::error(field.span(), message));
            None
        }
    }
}

/// Reads a string; other kinds are reported.
pub(super) fn text<'f>(key: &str, field: &'f Field, problems: &mut Problems) -> Option<&'f str> {
    match field.get_ref() {
        Scalar::Text(text) => Some(text),
        Scalar::Invalid => None,
        Scalar::Number(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => {
            let message = format!("`{key}` must be a string");
            problems.add(Problem::error(field.span(), message).help("put it into quotes"));
            None
        }
    }
}

/// Reads one of a few words.
pub(super) fn word<T: Copy>(
    key: &str,
    field: &Field,
    words: &[(&str, T)],
    problems: &mut Problems,
) -> Option<T> {
    let given = text(key, field, problems)?;
    let found = words
        .iter()
        .find(|(name, _)| *name == given)
        .map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<_> = words
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let message = format!("`{key}` cannot be `{given}`");
        let help = format!("it is one of {}", names.join(", "));
        let problem = Problem::error(field.span(), message).help(help);
        problems.add(problem.help_if(did_you_mean(given, words.iter().map(|(name, _)| *name))));
    }
    found
}
