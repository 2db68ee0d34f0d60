//! Where text goes, and how it looks there.

use std::io::{self, Write};

use serde::Serialize;

/// What a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: one document, integer units in its keys.
    Json,
}

/// How text may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether colours and other attributes are shown.
    pub colour: bool,
}

impl Style {
    /// Colours for terminals, unless `NO_COLOR` or `TERM` say otherwise.
    pub fn of(stream: &impl anstream::stream::RawStream) -> Self {
        let choice = anstream::AutoStream::choice(stream);
        Self {
            colour: choice != anstream::ColorChoice::Never,
        }
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn error(self, text: &str) -> String {
        self.with("1;31", text)
    }

    pub(super) fn warning(self, text: &str) -> String {
        self.with("1;33", text)
    }

    fn with(self, attributes: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{attributes}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Standard output, or what stands for it.
pub struct Output<'w> {
    writer: Box<dyn Write + 'w>,
    /// How text may look.
    pub style: Style,
    /// Whether a person looks at it right now.
    pub terminal: bool,
}

impl<'w> Output<'w> {
    /// Writes to `writer`.
    pub fn new(writer: Box<dyn Write + 'w>, style: Style, terminal: bool) -> Self {
        Self {
            writer,
            style,
            terminal,
        }
    }

    /// Writes a document over several lines.
    pub(super) fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.writer, document)?;
        self.writer.write_all(b"\n")
    }

    /// Writes a document on one line.
    pub(super) fn json_line(&mut self, document: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.writer, document)?;
        self.writer.write_all(b"\n")
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
