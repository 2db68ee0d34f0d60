//! Tables without borders.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, presets};

use super::output::Style;

/// A table under construction. The header sets the columns' alignment: titles that begin with `>`
/// stand, like their columns, on the right.
pub(crate) struct Table {
    table: comfy_table::Table,
    alignments: Vec<CellAlignment>,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Plain(String),
    /// Worth a look.
    Alarming(String),
}

impl Table {
    pub(crate) fn new(style: Style, titles: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        if style.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let mut alignments = Vec::with_capacity(titles.len());
        let header = titles.iter().map(|title| {
            let (title, alignment) = match title.strip_prefix('>') {
                Some(title) => (title, CellAlignment::Right),
                None => (*title, CellAlignment::Left),
            };
            alignments.push(alignment);
            Cell::new(title)
                .add_attribute(Attribute::Bold)
                .set_alignment(alignment)
        });
        table.set_header(header.collect::<Vec<_>>());
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { table, alignments }
    }

    pub(crate) fn row(&mut self, items: impl IntoIterator<Item = Item>) {
        let cells = items
            .into_iter()
            .zip(&self.alignments)
            .map(|(item, alignment)| {
                let cell = match item {
                    Item::Plain(text) => Cell::new(printable(&text)),
                    Item::Alarming(text) => Cell::new(printable(&text)).fg(Color::Red),
                };
                cell.set_alignment(*alignment)
            });
        self.table.add_row(cells.collect::<Vec<_>>());
    }

    /// The table's lines, each with a newline.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for line in self.table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

impl From<String> for Item {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

impl From<&str> for Item {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

/// Names may hold what would command a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}
