//! A drawing of a run: what was offered, allotted and passed.

use std::fmt::Display;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::run::Record;
use crate::scenario::{SAMPLES_PER_INTERVAL, Scenario};

/// In pixels.
const SIZE: (u32, u32) = (960, 900);
/// Classes that have a line each; of more the priorities are drawn.
const MAX_LINES: usize = 8;
/// Okabe and Ito's colours, which people tell apart however they see colours.
const COLOURS: [RGBColor; MAX_LINES] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(140, 90, 40),
    RGBColor(150, 140, 0),
];

/// Who has a line of its own: a name and the classes in it.
type Line = (String, Vec<usize>);

/// Draws a run as SVG.
///
/// # Errors
/// There is nothing to draw.
pub fn draw(scenario: &Scenario, record: &Record) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let failed = |error: &dyn Display| anyhow!("cannot draw {}: {error}", scenario.name);
        root.fill(&WHITE).map_err(|error| failed(&error))?;
        let title = format!("{}: {}", scenario.name, scenario.title);
        let root = root
            .titled(&title, ("sans-serif", 20))
            .map_err(|error| failed(&error))?;
        let lines = lines(scenario);
        let panels = root.split_evenly((3, 1));
        let tables = [
            ("offered", &scenario.demand.0),
            ("allotted: the rates in force", &record.rates),
            ("passed", &record.passed),
        ];
        for (panel, (what, table)) in panels.iter().zip(tables) {
            panel_of(scenario, panel, what, table, &lines).map_err(|error| failed(&error))?;
        }
        root.present().map_err(|error| failed(&error))?;
    }
    Ok(text)
}

fn lines(scenario: &Scenario) -> Vec<Line> {
    let classes = scenario.policy.classes.iter().enumerate();
    if scenario.policy.classes.len() <= MAX_LINES {
        return classes
            .map(|(class, spec)| (spec.name.clone(), vec![class]))
            .collect();
    }
    let of_priority = |priority: u8| {
        let classes = classes
            .clone()
            .filter(|(_, class)| class.priority == priority);
        let classes: Vec<usize> = classes.map(|(class, _)| class).collect();
        let name = format!("priority {priority}, {} classes", classes.len());
        (!classes.is_empty()).then_some((name, classes))
    };
    (0..=7).filter_map(of_priority).collect()
}

fn panel_of(
    scenario: &Scenario,
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    what: &str,
    table: &[Vec<u64>],
    lines: &[Line],
) -> Result<(), Box<dyn std::error::Error>> {
    let end = seconds(scenario, table.len());
    let capacity = megabits(scenario.capacity().0);
    let everybody: Vec<usize> = (0..scenario.policy.classes.len()).collect();
    let total = ("all together".to_owned(), everybody);
    let lines: Vec<&Line> = std::iter::once(&total).chain(lines).collect();
    let series: Vec<Vec<(f64, f64)>> = lines
        .iter()
        .map(|(_, classes)| points(scenario, table, classes))
        .collect();
    let highest = series
        .iter()
        .flatten()
        .map(|(_, rate)| *rate)
        .fold(capacity, f64::max);
    let mut chart = ChartBuilder::on(panel)
        .caption(what, ("sans-serif", 15))
        .margin(6)
        .margin_right(190)
        .x_label_area_size(34)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, 0.0..highest * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("time, s")
        .y_desc("Mbit/s")
        .x_labels(11)
        .y_labels(6)
        .x_label_formatter(&|time| format!("{time:.1}"))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .label_style(("sans-serif", 12))
        .draw()?;
    let capacity_line = (
        "capacity",
        vec![(0.0, capacity), (end, capacity)],
        BLACK.mix(0.4),
    );
    let colours = std::iter::once(BLACK).chain(COLOURS);
    let lines = lines.iter().zip(series).zip(colours);
    let lines = lines.map(|(((name, _), points), colour)| (name.as_str(), points, colour.mix(1.0)));
    let (width, _) = panel.dim_in_pixel();
    let all = std::iter::once(capacity_line).chain(lines);
    for (number, (name, points, colour)) in (0_i32..).zip(all) {
        let thickness = if number < 2 { 1 } else { 2 };
        chart.draw_series(LineSeries::new(points, colour.stroke_width(thickness)))?;
        // The legend stands beside the panel, where it hides nothing.
        let (left, top) = (i32::try_from(width)? - 184, 30 + 18 * number);
        panel.draw(&PathElement::new(
            vec![(left, top + 6), (left + 18, top + 6)],
            colour.stroke_width(thickness),
        ))?;
        panel.draw(&Text::new(
            name.to_owned(),
            (left + 24, top),
            ("sans-serif", 13),
        ))?;
    }
    Ok(())
}

/// The corners of a line that stays at a value for each sample, or for each interval where there are so
/// many classes that one of them is changing all the time.
fn points(scenario: &Scenario, table: &[Vec<u64>], classes: &[usize]) -> Vec<(f64, f64)> {
    let is_many = scenario.policy.classes.len() > MAX_LINES;
    let length = if is_many { SAMPLES_PER_INTERVAL } else { 1 };
    let sum = |row: &Vec<u64>| -> u64 { classes.iter().filter_map(|&class| row.get(class)).sum() };
    let mean = |rows: &[Vec<u64>]| {
        let total: u64 = rows.iter().map(sum).sum();
        total / u64::try_from(rows.len()).unwrap_or(1).max(1)
    };
    let means: Vec<u64> = table.chunks(length).map(mean).collect();
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut done = 0;
    for run in means.chunk_by(|a, b| a == b) {
        let rate = megabits(run.first().copied().unwrap_or(0));
        let start = seconds(scenario, done);
        done = (done + run.len() * length).min(table.len());
        points.extend([(start, rate), (seconds(scenario, done), rate)]);
    }
    points
}

fn seconds(scenario: &Scenario, samples: usize) -> f64 {
    let microseconds = scenario.sample_ns() / 1_000;
    let samples = f64::from(u32::try_from(samples).unwrap_or(u32::MAX));
    f64::from(u32::try_from(microseconds).unwrap_or(u32::MAX)) * samples / 1e6
}

/// To a tenth, which is less than a pixel.
fn megabits(bits: u64) -> f64 {
    f64::from(u32::try_from(bits / 100_000).unwrap_or(u32::MAX)) / 10.0
}
