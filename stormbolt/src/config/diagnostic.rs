//! What is wrong with a policy file, and where.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, NamedSource};
use serde::{Deserialize, Serialize};

use super::position::Lines;

/// A place in the text, in bytes.
pub(super) type Span = Range<usize>;

/// Problems that one report keeps; the rest are counted. A broken list of a million prefixes
/// needs no million messages.
const MAX_PROBLEMS: usize = 200;
/// Characters of offending text in a [`Finding`].
const MAX_QUOTED: usize = 80;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy cannot be applied.
    Error,
    /// The policy can be applied, but may not mean what was meant.
    Warning,
}

/// A place in the text with a remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// The remark; may be empty.
    pub text: String,
}

/// One thing that is wrong, or suspicious, in a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it is, the offending place first. Never empty.
    pub labels: Vec<Label>,
    /// The text that it is in: 0 for the policy file, others for the files of sets.
    pub(super) source: usize,
}

/// The problems of one policy, with the names and texts of the files that they are in.
#[derive(Clone, Debug)]
pub struct Report {
    source: NamedSource<String>,
    /// The files of sets that problems are in, from source 1 on.
    others: Vec<NamedSource<String>>,
    problems: Vec<Problem>,
    omitted: usize,
}

/// A problem in the form that programs read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The file of a set that it is in, or of a policy that the daemon has read itself; nothing for the text of a
    /// policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The offending text, its first line and at most 80 characters of it.
    pub text: String,
}

/// A text is not a valid policy. Holds everything that was found, warnings too.
#[derive(Debug, thiserror::Error)]
#[error("invalid policy `{}`: {}", .0.name(), .0.summary())]
pub struct PolicyError(Box<Report>);

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kept: Vec<Problem>,
    /// How many of those are warnings.
    kept_warnings: usize,
    omitted: usize,
    failed: bool,
    /// The text that is being read.
    source: usize,
    /// Names and texts of the files of sets with problems in them.
    others: Vec<NamedSource<String>>,
}

impl Report {
    /// The problems, in the order of the text.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Problems beyond the 200 that are kept.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The text of the file; empty when nothing was found.
    pub fn text(&self) -> &str {
        self.source.inner()
    }

    /// The problems in the form that programs read.
    pub fn findings(&self) -> Vec<Finding> {
        let lines = self.lines();
        self.problems
            .iter()
            .filter_map(|problem| Some(self.finding(lines.get(problem.source)?, problem)))
            .collect()
    }

    /// `2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        let errors = self
            .problems
            .iter()
            .filter(|p| p.severity == Severity::Error)
            .count();
        let warnings = self.problems.len() - errors;
        let mut parts = Vec::new();
        for (count, word) in [(errors, "error"), (warnings, "warning")] {
            match count {
                0 => {}
                1 => parts.push(format!("1 {word}")),
                _ => parts.push(format!("{count} {word}s")),
            }
        }
        if self.omitted > 0 {
            parts.push(format!("{} more not shown", self.omitted));
        }
        parts.join(", ")
    }

    /// The file that a problem is in.
    pub(super) fn source_of(&self, problem: &Problem) -> &NamedSource<String> {
        let other = problem.source.checked_sub(1);
        other
            .and_then(|other| self.others.get(other))
            .unwrap_or(&self.source)
    }

    /// The lines of each text, by the problems' sources.
    pub(super) fn lines(&self) -> Vec<Lines<'_>> {
        let sources = std::iter::once(&self.source).chain(&self.others);
        sources.map(|source| Lines::of(source.inner())).collect()
    }

    fn finding(&self, lines: &Lines<'_>, problem: &Problem) -> Finding {
        let span = problem.span();
        let position = lines.position(span.start);
        let source = self.source_of(problem);
        let quoted = source.inner().get(span).unwrap_or_default();
        let quoted = quoted.lines().next().unwrap_or_default();
        Finding {
            severity: problem.severity,
            message: problem.message.clone(),
            help: problem.help.clone(),
            file: (problem.source > 0).then(|| escape_controls(source.name())),
            line: position.line,
            column: position.column,
            text: escape_controls(&quoted.chars().take(MAX_QUOTED).collect::<String>()),
        }
    }
}

impl Finding {
    /// A warning about a policy that has no text to point at.
    pub(crate) fn warning(message: String, help: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            message,
            help: Some(help.into()),
            file: None,
            line: 1,
            column: 1,
            text: String::new(),
        }
    }
}

/// The same findings, of which those in the policy itself are in the file `name`.
pub(crate) fn in_file(mut findings: Vec<Finding>, name: &str) -> Vec<Finding> {
    for finding in &mut findings {
        finding.file.get_or_insert_with(|| name.to_owned());
    }
    findings
}

impl PolicyError {
    /// What the policy is called.
    pub(crate) fn name(&self) -> &str {
        self.0.name()
    }

    /// What was found.
    pub fn report(&self) -> &Report {
        &self.0
    }

    /// What was found, in the form that programs read.
    pub fn findings(&self) -> Vec<Finding> {
        self.0.findings()
    }
}

impl Problem {
    pub(super) fn error(at: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, at, message.into())
    }

    pub(super) fn warning(at: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, at, message.into())
    }

    fn new(severity: Severity, span: Span, message: String) -> Self {
        let labels = vec![Label {
            span,
            text: String::new(),
        }];
        Self {
            severity,
            message,
            help: None,
            labels,
            source: 0,
        }
    }

    /// Says what is the matter at the offending place itself.
    pub(super) fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Points at another place too.
    pub(super) fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    pub(super) fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    pub(super) fn help_if(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    /// The offending place, in bytes of the text.
    pub fn span(&self) -> Range<usize> {
        self.labels.first().map_or(0..0, |label| label.span.clone())
    }

    /// Names out of the file may hold what would command a terminal.
    fn escaped(mut self) -> Self {
        self.message = escape_controls(&self.message);
        self.help = self.help.map(|help| escape_controls(&help));
        for label in &mut self.labels {
            label.text = escape_controls(&label.text);
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| -> Box<dyn fmt::Display> { Box::new(help) })
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().enumerate().map(
            |(index, label)| {
                let text = Some(label.text.clone()).filter(|text| !text.is_empty());
                if index == 0 {
                    LabeledSpan::new_primary_with_span(text, label.span.clone())
                } else {
                    LabeledSpan::new_with_span(text, label.span.clone())
                }
            },
        )))
    }
}

impl Problems {
    pub(super) fn add(&mut self, mut problem: Problem) {
        problem.source = self.source;
        let is_warning = problem.severity == Severity::Warning;
        self.failed |= !is_warning;
        if self.is_full() {
            self.omitted += 1;
            if is_warning || self.kept_warnings == 0 {
                return;
            }
            // What makes a policy invalid must not hide behind what does not.
            let warning = |kept: &Problem| kept.severity == Severity::Warning;
            if let Some(last) = self.kept.iter().rposition(warning) {
                self.kept.remove(last);
                self.kept_warnings -= 1;
            }
        }
        self.kept_warnings += usize::from(is_warning);
        self.kept.push(problem.escaped());
    }

    /// Adds an error that is only put into words if it is kept.
    pub(super) fn add_error(&mut self, error: impl FnOnce() -> Problem) {
        if self.is_full() && self.kept_warnings == 0 {
            self.failed = true;
            self.omitted += 1;
        } else {
            self.add(error());
        }
    }

    /// Lets `read` find problems in another text than the policy file.
    pub(super) fn within<T>(
        &mut self,
        name: &str,
        text: String,
        read: impl FnOnce(&str, &mut Self) -> T,
    ) -> T {
        let outer = std::mem::replace(&mut self.source, self.others.len() + 1);
        let result = read(&text, self);
        let inner = std::mem::replace(&mut self.source, outer);
        if self.kept.iter().any(|problem| problem.source == inner) {
            self.others.push(NamedSource::new(name, text));
        }
        result
    }

    /// Whether further problems are counted only, so that costly hints can be left out.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= MAX_PROBLEMS
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether there are errors.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    pub(super) fn into_report(mut self, name: &str, text: &str) -> Report {
        self.kept
            .sort_by_key(|problem| (problem.source, problem.span().start));
        let text = if self.kept.is_empty() { "" } else { text };
        Report {
            source: NamedSource::new(name, text.to_owned()),
            others: self.others,
            problems: self.kept,
            omitted: self.omitted,
        }
    }

    pub(super) fn into_error(self, name: &str, text: &str) -> PolicyError {
        PolicyError(Box::new(self.into_report(name, text)))
    }
}

/// Writes control characters as `\u{1b}`.
pub(super) fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// The candidate that `word` was probably meant to be, as `did you mean ...?`.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .take(4096)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}
