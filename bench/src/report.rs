//! What comes out: a line of JSON for each value, or a table.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Name of the benchmark.
    pub bench: &'static str,
    /// What was measured; peers' names begin with `peer-`.
    pub case: String,
    /// Which quantity.
    pub metric: &'static str,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

/// Writes the values as they come, or at the end as a table.
pub struct Report<'a> {
    json: bool,
    lines: Vec<Line>,
    out: &'a mut dyn Write,
}

impl<'a> Report<'a> {
    /// A report that goes to `out`.
    pub fn new(json: bool, out: &'a mut dyn Write) -> Self {
        Self {
            json,
            lines: Vec::new(),
            out,
        }
    }

    /// Takes a value; as JSON it is written at once.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub fn add(&mut self, line: Line) -> io::Result<()> {
        if self.json {
            writeln!(self.out, "{}", json(&line)?)?;
            self.out.flush()?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// Everything that was measured so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Writes the table, if no JSON was written.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub fn finish(self) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        writeln!(self.out, "{}", table(&self.lines))
    }
}

/// The value as one line of JSON, with as many digits as mean something.
fn json(line: &Line) -> serde_json::Result<String> {
    serde_json::to_string(&Line {
        value: (line.value * 1000.0).round() / 1000.0,
        ..line.clone()
    })
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["CASE", "METRIC", "VALUE", "UNIT"]);
    for line in lines {
        let value = match line.value {
            value if value < 10.0 => format!("{value:.3}"),
            value if value < 1000.0 => format!("{value:.1}"),
            value => format!("{value:.0}"),
        };
        table.add_row([&line.case, line.metric, &value, line.unit]);
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: f64) -> Line {
        Line {
            bench: "classify",
            case: "acl-1k".to_owned(),
            metric: "over_empty",
            value,
            unit: "ns",
        }
    }

    #[test]
    fn a_value_is_one_line_of_json_with_the_agreed_names() {
        let mut out = Vec::new();
        let mut report = Report::new(true, &mut out);
        report.add(line(41.234_56)).unwrap();
        report.finish().unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"bench\":\"classify\",\"case\":\"acl-1k\",\"metric\":\"over_empty\",\
             \"value\":41.235,\"unit\":\"ns\"}\n"
        );
    }

    #[test]
    fn a_table_has_one_row_for_each_value_and_comes_at_the_end() {
        let mut out = Vec::new();
        let mut report = Report::new(false, &mut out);
        report.add(line(41.26)).unwrap();
        report.add(line(41_234.5)).unwrap();
        report.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.contains(" 41.3 ") && text.contains(" 41234 "),
            "{text}"
        );
    }
}
