//! The figures as text.

use comfy_table::{Cell, CellAlignment, Table, presets};
use stormbolt_control::units::BitsPerSecond;

use crate::figures::{ClassFigures, Figures};
use crate::scenario::Scenario;

/// Classes that have a line of their own.
const SHOWN: usize = 12;

/// Writes the figures of a scenario: a line for each class, and one for the link.
pub fn tables(scenario: &Scenario, figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let titles = [
        "class",
        "offered",
        "passed",
        "rises",
        "all after (Δt)",
        "part after (Δt)",
        "lacked of its share",
    ];
    table.set_header(titles);
    for class in figures.classes.iter().take(SHOWN) {
        table.add_row(row(class));
    }
    if figures.classes.len() > SHOWN {
        table.add_row(row(&all(figures)));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    format!(
        "{}: {} (law {}, {})\n{}over the capacity in a Δt: {}; where no guarantee was lent: {}; unused while \
         demand waited: {}\n",
        scenario.name,
        scenario.title,
        scenario.policy.law.name(),
        scenario.capacity(),
        lines.collect::<String>(),
        percent(figures.overshoot),
        percent(figures.overshoot_unlent),
        percent(figures.unused),
    )
}

fn row(class: &ClassFigures) -> [Cell; 7] {
    let written =
        |slowest: Option<f64>| slowest.map_or("-".to_owned(), |time| format!("{time:.1}"));
    [
        class.name.clone(),
        rate(class.offered),
        rate(class.passed),
        class.rises.len().to_string(),
        written(class.slowest(|rise| rise.is_met)),
        written(class.slowest(|rise| !rise.is_met)),
        percent(class.lacked),
    ]
    .map(Cell::new)
}

/// All classes together: sums, and the worst of each.
fn all(figures: &Figures) -> ClassFigures {
    let classes = || figures.classes.iter();
    ClassFigures {
        name: format!("all {}, worst", figures.classes.len()),
        offered: classes().map(|class| class.offered).sum(),
        passed: classes().map(|class| class.passed).sum(),
        rises: classes()
            .flat_map(|class| class.rises.iter().copied())
            .collect(),
        lacked: classes().map(|class| class.lacked).fold(0.0, f64::max),
    }
}

fn rate(bits: u64) -> String {
    // Three digits behind the point are more than anybody reads here.
    BitsPerSecond(bits / 100_000 * 100_000).to_string()
}

fn percent(part: f64) -> String {
    format!("{:.2} %", part * 100.0)
}
