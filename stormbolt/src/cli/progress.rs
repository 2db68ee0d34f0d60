//! How far the daemon is, on standard error.

use std::io::{IsTerminal, Write};

use super::format::{count, counted, seconds};
use crate::api::documents::CompilingStatus;

/// Between two lines where nobody looks on, in ms.
const BETWEEN_LINES: u64 = 10_000;

/// A line that changes on a terminal; elsewhere a line every ten seconds.
pub(super) struct ShownProgress<W: Write> {
    stream: W,
    terminal: bool,
    /// Whether the line stands there.
    shown: bool,
    /// When the next line is due, in ms of the compilation.
    due: u64,
}

impl<W: Write + IsTerminal> ShownProgress<W> {
    /// Shows nothing yet.
    pub(super) fn on(stream: W) -> Self {
        let terminal = stream.is_terminal();
        Self::new(stream, terminal)
    }
}

impl<W: Write> ShownProgress<W> {
    fn new(stream: W, terminal: bool) -> Self {
        Self {
            stream,
            terminal,
            shown: false,
            due: BETWEEN_LINES,
        }
    }

    /// Shows how far a compilation is.
    pub(super) fn show(&mut self, compiling: &CompilingStatus) {
        let elapsed = compiling.elapsed_milliseconds;
        let text = text(compiling);
        // What cannot be shown is not worth ending for.
        if self.terminal {
            self.shown = true;
            drop(write!(self.stream, "\r\x1b[K{text}"));
            drop(self.stream.flush());
        } else if elapsed >= self.due {
            self.due = elapsed + BETWEEN_LINES;
            drop(writeln!(self.stream, "{text}"));
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            drop(write!(self.stream, "\r\x1b[K"));
            drop(self.stream.flush());
        }
    }
}

fn text(compiling: &CompilingStatus) -> String {
    let rules = usize::try_from(compiling.rule_count).unwrap_or(usize::MAX);
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    format!(
        "compiling {} for {}: {} MiB of tables, of {} MiB at most; Ctrl-C gives up",
        if rules < 1000 {
            counted(rules, "rule", "rules")
        } else {
            format!("{} rules", count(compiling.rule_count))
        },
        seconds(compiling.elapsed_milliseconds / 1000),
        mebibytes(compiling.table_bytes),
        mebibytes(compiling.table_limit_bytes)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(terminal: bool) -> String {
        let mut written = Vec::new();
        let mut progress = ShownProgress::new(&mut written, terminal);
        for elapsed_milliseconds in [2_000, 9_999, 12_000, 21_999, 22_000] {
            progress.show(&CompilingStatus {
                elapsed_milliseconds,
                rule_count: 100_000,
                table_bytes: 5 << 20,
                table_limit_bytes: 128 << 20,
            });
        }
        progress.clear();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn a_terminal_shows_one_line_that_is_gone_in_the_end() {
        let text = shown(true);
        assert!(!text.contains('\n'));
        assert!(
            text.starts_with("\r\x1b[Kcompiling 100 k rules for 2s: 5 MiB of tables, of 128 MiB")
        );
        assert!(text.ends_with("gives up\r\x1b[K"), "{text:?}");
    }

    #[test]
    fn elsewhere_a_line_is_written_now_and_then() {
        let text = shown(false);
        let seconds: Vec<_> = text
            .lines()
            .map(|line| line.split(' ').nth(5).unwrap())
            .collect();
        assert_eq!(seconds, ["12s:", "22s:"]);
        assert!(!text.contains('\r'));
    }
}
