//! A TOML table that is read key by key, so that whatever is left is unknown.

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::diagnostic::{Problem, Problems, Span, did_you_mean};

/// A single value, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// A string.
    Text(String),
    /// An integer.
    Number(i64),
    /// A number that is no 64-bit integer, as written.
    OtherNumber(String),
    /// `true` or `false`.
    Flag(bool),
    /// Something else, which has been reported already.
    Invalid,
}

/// A value and its place.
pub(super) type Field = Spanned<Scalar>;
/// Values and the place of the whole list. A single value counts as a list of one.
pub(super) type List = Spanned<Vec<Field>>;

/// A table whose keys are taken one after the other.
#[derive(Debug)]
pub(super) struct Section<'t> {
    title: String,
    entries: Vec<(Spanned<String>, Spanned<DeValue<'t>>)>,
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// `title` is how the table is called in messages, `[class.bulk]`; empty for the document.
    pub(super) fn new(title: impl Into<String>, table: DeTable<'t>) -> Self {
        let mut entries: Vec<_> = table
            .into_iter()
            .map(|(key, value)| {
                (
                    Spanned::new(key.span(), key.into_inner().into_owned()),
                    value,
                )
            })
            .collect();
        // The table is sorted by key; classes and interfaces keep the order of the file.
        entries.sort_by_key(|(key, _)| key.span().start);
        Self {
            title: title.into(),
            entries,
            known: Vec::new(),
        }
    }

    /// A value that stands for itself.
    pub(super) fn field(&mut self, key: &'static str, problems: &mut Problems) -> Option<Field> {
        let (_, value) = self.take(key)?;
        Some(scalar(key, value, problems))
    }

    /// A value or a list of values; the list may be empty.
    pub(super) fn list(&mut self, key: &'static str, problems: &mut Problems) -> Option<List> {
        let (_, value) = self.take(key)?;
        let span = value.span();
        let fields = if matches!(value.get_ref(), DeValue::Array(_)) {
            let values = array(value).unwrap_or_default();
            values
                .into_iter()
                .map(|value| scalar(key, value, problems))
                .collect()
        } else {
            vec![scalar(key, value, problems)]
        };
        Some(Spanned::new(span, fields))
    }

    /// A value as it stands in the file.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.take(key).map(|(_, value)| value)
    }

    /// A table of its own.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<(Span, Section<'t>)> {
        let (name, value) = self.take(key)?;
        let span = value.span();
        match table(value) {
            Ok(table) => Some((name.span(), Section::new(format!("[{key}]"), table))),
            Err(kind) => {
                let message = format!("`{key}` must be a table, not {kind}");
                problems.add(Problem::error(span, message).help(format!("write `[{key}]`")));
                None
            }
        }
    }

    /// Tables that have names: `[class.NAME]`.
    pub(super) fn named(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Vec<(Spanned<String>, Section<'t>)> {
        let Some((_, value)) = self.take(key) else {
            return Vec::new();
        };
        let span = value.span();
        let help = format!("write `[{key}.NAME]`, one for each {key}");
        let entries = match table(value) {
            Ok(table) => Section::new("", table).entries,
            Err(kind) => {
                let message = format!("`{key}` must be tables with names, not {kind}");
                problems.add(Problem::error(span, message).help(help));
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for (name, value) in entries {
            match table(value) {
                Ok(table) => {
                    let title = format!("[{key}.{}]", name.get_ref());
                    sections.push((name, Section::new(title, table)));
                }
                Err(kind) => {
                    let message = format!("`{key}.{}` must be a table, not {kind}", name.get_ref());
                    problems.add(Problem::error(name.span(), message).help(help.clone()));
                }
            }
        }
        sections
    }

    /// Tables in a row: `[[rule]]`.
    pub(super) fn repeated(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Vec<(Span, Section<'t>)> {
        let Some((name, value)) = self.take(key) else {
            return Vec::new();
        };
        let help = format!("write `[[{key}]]`, with two brackets, for each {key}");
        let values = match array(value) {
            Ok(values) => values,
            Err(kind) => {
                let message = format!("`{key}` must be a list of tables, not {kind}");
                problems.add(Problem::error(name.span(), message).help(help));
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for value in values {
            let span = value.span();
            match table(value) {
                Ok(table) => {
                    sections.push((span, Section::new(format!("[[{key}]]"), table)));
                }
                Err(kind) => {
                    let message = format!("each `{key}` must be a table, not {kind}");
                    problems.add(Problem::error(span, message).help(help.clone()));
                }
            }
        }
        sections
    }

    /// Ends the reading: keys that nobody asked for are errors.
    pub(super) fn finish(self, problems: &mut Problems) {
        for (key, value) in self.entries {
            if problems.is_full() {
                problems.add(Problem::error(key.span(), "unknown key"));
                continue;
            }
            let place = match self.title.as_str() {
                "" => "at the top level".to_owned(),
                title => format!("in `{title}`"),
            };
            let name = key.get_ref();
            let help = did_you_mean(name, self.known.iter().copied())
                .or_else(|| quoting_help(&self.title, name, value.get_ref()))
                .unwrap_or_else(|| format!("the keys here are {}", self.known.join(", ")));
            let message = format!("unknown key `{name}` {place}");
            problems.add(
                Problem::error(key.span(), message)
                    .label("not a key")
                    .help(help),
            );
        }
    }

    fn take(&mut self, key: &'static str) -> Option<(Spanned<String>, Spanned<DeValue<'t>>)> {
        self.known.push(key);
        let index = self
            .entries
            .iter()
            .position(|(name, _)| name.get_ref() == key)?;
        Some(self.entries.remove(index))
    }
}

/// `[interface.eth0.100]` is a table `100` inside of `eth0`, which nobody means.
fn quoting_help(title: &str, key: &str, value: &DeValue<'_>) -> Option<String> {
    let (kind, name) = title
        .strip_prefix('[')?
        .strip_suffix(']')?
        .split_once('.')?;
    let is_table = matches!(value, DeValue::Table(_));
    is_table.then(|| format!("a name with dots stands in quotes: `[{kind}.\"{name}.{key}\"]`"))
}

fn scalar(key: &str, value: Spanned<DeValue<'_>>, problems: &mut Problems) -> Field {
    let span = value.span();
    let scalar = match value.into_inner() {
        DeValue::String(text) => Scalar::Text(text.into_owned()),
        DeValue::Integer(number) => integer(&number),
        DeValue::Float(number) => Scalar::OtherNumber(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Scalar::Flag(flag),
        other @ (DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_)) => {
            let message = format!("`{key}` cannot be {}", kind(&other));
            problems.add(Problem::error(span.clone(), message));
            Scalar::Invalid
        }
    };
    Spanned::new(span, scalar)
}

/// The table, or what it is instead.
fn table(value: Spanned<DeValue<'_>>) -> Result<DeTable<'_>, &'static str> {
    let kind = kind(value.get_ref());
    if let DeValue::Table(table) = value.into_inner() {
        Ok(table)
    } else {
        Err(kind)
    }
}

/// The entries of a list, or what it is instead.
fn array(value: Spanned<DeValue<'_>>) -> Result<Vec<Spanned<DeValue<'_>>>, &'static str> {
    let kind = kind(value.get_ref());
    if let DeValue::Array(array) = value.into_inner() {
        Ok(array.into_iter().collect())
    } else {
        Err(kind)
    }
}

fn integer(number: &DeInteger<'_>) -> Scalar {
    i64::from_str_radix(number.as_str(), number.radix()).map_or_else(
        |_| Scalar::OtherNumber(number.as_str().to_owned()),
        Scalar::Number,
    )
}

/// What a value is, as it is called in messages.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
