//! Problems as text, for terminals and for logs.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use super::diagnostic::{PolicyError, Problem, Report, Severity, escape_controls};
use super::position::{Lines, Position};

/// Width of a report for a terminal, in columns.
const WIDTH: usize = 100;
/// Characters of a source line that are shown around the offending place.
const SHOWN: usize = 120;
/// Bytes of the longest text that is quoted in frames.
const MAX_FRAMED: usize = 1 << 20;

/// Writes everything that was found: with frames and colours for a terminal, else as
/// `file:line:column: error: message` with the line and a caret below it.
pub fn render(error: &PolicyError, colour: bool) -> String {
    error.report().render(colour)
}

impl Report {
    /// Writes the problems and a last line that counts them; see [`render`]. Empty when nothing
    /// was found.
    pub fn render(&self, colour: bool) -> String {
        if self.is_empty() {
            return String::new();
        }
        let lines = self.lines();
        // A frame would pass on what commands a terminal, and all of a line of a megabyte; and for
        // each it would look for line breaks from the beginning of the text.
        let framed = |text: &str| text.len() <= MAX_FRAMED && !text.contains(is_unprintable);
        let framed: Vec<bool> = lines.iter().map(|lines| framed(lines.text())).collect();
        let mut out = String::new();
        for problem in self.problems() {
            let (Some(lines), Some(&framed)) =
                (lines.get(problem.source), framed.get(problem.source))
            else {
                continue;
            };
            let shown = if colour && framed {
                graphical(self, lines, problem)
            } else {
                None
            };
            out.push_str(&shown.unwrap_or_else(|| plain(self, lines, problem)));
        }
        let name = escape_controls(self.name());
        out.extend([name.as_str(), ": ", self.summary().as_str(), "\n"]);
        out
    }
}

fn is_unprintable(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}

/// `None` where a frame cannot show it.
fn graphical(report: &Report, lines: &Lines<'_>, problem: &Problem) -> Option<String> {
    let too_long = problem.labels.iter().any(|label| {
        let line = lines.position(label.span.start).line;
        (line.saturating_sub(2)..=line + 2).any(|line| lines.line(line).len() > 4 * SHOWN)
    });
    if too_long {
        return None;
    }
    let mut out = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .with_width(WIDTH)
        .render_report(&mut out, &InSource { problem, report })
        .ok()?;
    out.push('\n');
    Some(out)
}

fn plain(report: &Report, lines: &Lines<'_>, problem: &Problem) -> String {
    let source = report.source_of(problem);
    let name = escape_controls(source.name());
    let mut out = String::new();
    for (index, label) in problem.labels.iter().enumerate() {
        let at = lines.position(label.span.start);
        let Position { line, column } = at;
        let (heading, remark) = match (index, problem.severity) {
            (0, Severity::Error) => (format!("error: {}", problem.message), label.text.as_str()),
            (0, Severity::Warning) => {
                (format!("warning: {}", problem.message), label.text.as_str())
            }
            _ => (format!("note: {}", label.text), ""),
        };
        let heading = format!("{name}:{line}:{column}: {heading}\n");
        out.push_str(&heading);
        let marked = source.inner().get(label.span.clone()).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default().chars().count();
        out.push_str(&excerpt(lines.line(line), column, marked, remark));
    }
    if let Some(help) = &problem.help {
        out.extend(["    help: ", help, "\n"]);
    }
    out
}

/// The part of a line around `column`, with carets below the marked characters.
fn excerpt(line: &str, column: usize, marked: usize, remark: &str) -> String {
    let skipped = column.saturating_sub(SHOWN / 2);
    let skipped = if line.chars().count() <= SHOWN {
        0
    } else {
        skipped
    };
    let shown: String = line
        .chars()
        .skip(skipped)
        .take(SHOWN)
        .map(printable)
        .collect();
    let before = column.saturating_sub(1).saturating_sub(skipped);
    let padding: String = line
        .chars()
        .skip(skipped)
        .take(before)
        .map(|character| if character == '\t' { '\t' } else { ' ' })
        .collect();
    let room = shown.chars().count().saturating_sub(before);
    let carets = "^".repeat(marked.min(room).max(1));
    let below = format!("    {padding}{carets} {remark}");
    format!("    {shown}\n{}\n", below.trim_end())
}

fn printable(character: char) -> char {
    if is_unprintable(character) {
        char::REPLACEMENT_CHARACTER
    } else {
        character
    }
}

/// A problem together with the text it is in.
#[derive(Debug)]
struct InSource<'a> {
    problem: &'a Problem,
    report: &'a Report,
}

impl std::fmt::Display for InSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for InSource<'_> {}

impl Diagnostic for InSource<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Diagnostic::severity(self.problem)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Diagnostic::help(self.problem)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Diagnostic::labels(self.problem)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.report.source_of(self.problem))
    }
}
