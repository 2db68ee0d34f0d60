//! A drawing of a capacity that follows its link, and its figures.

use std::fmt::Display;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::adaptive::{FollowedLink, LinkSample, PARTS, SAMPLE_SECONDS, SETTLED_AFTER};

/// In pixels.
const SIZE: (u32, u32) = (960, 620);
const BLUE: RGBColor = RGBColor(0, 114, 178);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
/// Samples between two points of a line.
const STRIDE: usize = 5;

/// A line: its name, colour, and value of each sample.
type Line<'a> = (&'a str, RGBColor, &'a [LinkSample], fn(&LinkSample) -> u64);

/// Draws it as SVG.
///
/// # Errors
/// There is nothing to draw.
pub fn draw_followed(run: &FollowedLink) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let failed = |error: &dyn Display| anyhow!("cannot draw: {error}");
        root.fill(&WHITE).map_err(|error| failed(&error))?;
        let title = "adaptive: a link of 40, 20 and 60 Mbit/s that the policy does not know";
        let root = root
            .titled(title, ("sans-serif", 20))
            .map_err(|error| failed(&error))?;
        let panels = root.split_evenly((2, 1));
        let rates: [Line<'_>; 3] = [
            ("the link", BLACK, &run.with, |sample| sample.link / 10_000),
            ("capacity", ORANGE, &run.with, |sample| {
                sample.capacity / 10_000
            }),
            ("passed", BLUE, &run.with, |sample| sample.passed / 10_000),
        ];
        let delays: [Line<'_>; 2] = [
            ("without StormBolt", GREEN, &run.without, |sample| {
                sample.delay_us / 10
            }),
            ("with", ORANGE, &run.with, |sample| sample.delay_us / 10),
        ];
        let panels = panels.iter().zip([
            ("rates", "Mbit/s", &rates[..]),
            ("delay by the queue", "ms", &delays[..]),
        ]);
        for (panel, (caption, unit, lines)) in panels {
            draw_panel(panel, caption, unit, lines).map_err(|error| failed(&error))?;
        }
        root.present().map_err(|error| failed(&error))?;
    }
    Ok(text)
}

fn draw_panel(
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    unit: &str,
    lines: &[Line<'_>],
) -> Result<(), Box<dyn std::error::Error>> {
    let series: Vec<Vec<(f64, f64)>> = lines.iter().map(points).collect();
    let all = || series.iter().flatten();
    let end = all().map(|(time, _)| *time).fold(1.0, f64::max);
    let highest = all().map(|(_, value)| *value).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(panel)
        .caption(caption, ("sans-serif", 15))
        .margin(6)
        .margin_right(190)
        .x_label_area_size(34)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, 0.0..highest * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("time, s")
        .y_desc(unit)
        .x_labels(11)
        .y_labels(6)
        .x_label_formatter(&|time| format!("{time:.0}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .label_style(("sans-serif", 12))
        .draw()?;
    let (width, _) = panel.dim_in_pixel();
    let lines = (0_i32..).zip(lines).zip(series);
    for ((number, (name, colour, _, _)), points) in lines {
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        let (left, top) = (i32::try_from(width)? - 184, 30 + 18 * number);
        panel.draw(&PathElement::new(
            vec![(left, top + 6), (left + 18, top + 6)],
            colour.stroke_width(2),
        ))?;
        panel.draw(&Text::new(
            (*name).to_owned(),
            (left + 24, top),
            ("sans-serif", 13),
        ))?;
    }
    Ok(())
}

/// Values come in hundredths of what is drawn.
fn points((_, _, samples, value): &Line<'_>) -> Vec<(f64, f64)> {
    let samples = (0_u32..).zip(*samples).step_by(STRIDE);
    let point = |(number, sample): (u32, &LinkSample)| {
        let value = u32::try_from(value(sample)).unwrap_or(u32::MAX);
        (f64::from(number) * SAMPLE_SECONDS, f64::from(value) / 100.0)
    };
    samples.map(point).collect()
}

/// The figures of each part, from twenty seconds after its beginning on: the capacity, what passed, and the
/// median and longest delay.
pub fn followed_table(run: &FollowedLink) -> String {
    let mut text = String::new();
    for (position, (start, link)) in PARTS.iter().enumerate() {
        let end = PARTS.get(position + 1).map(|(next, _)| *next);
        let with = Settled::of(&run.with, start + SETTLED_AFTER, end);
        let without = Settled::of(&run.without, start + SETTLED_AFTER, end);
        let megabits = |bits: u64| format!("{}.{} Mbit/s", bits / 1_000_000, bits / 100_000 % 10);
        let milliseconds = |time: u64| time / 1_000;
        let line = format!(
            "link of {}: capacity {} to {}, passed {}, delay {} ms in the middle, {} at most; without: \
             passed {}, delay {} ms\n",
            megabits(*link),
            megabits(with.least),
            megabits(with.most),
            megabits(with.passed),
            milliseconds(with.median_us),
            milliseconds(with.longest_us),
            megabits(without.passed),
            milliseconds(without.median_us),
        );
        text.push_str(&line);
    }
    text
}

/// What a link did between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// The lowest capacity, in bit/s.
    pub least: u64,
    /// The highest capacity, in bit/s.
    pub most: u64,
    /// What passed on average, in bit/s.
    pub passed: u64,
    /// The delay in the middle, in µs.
    pub median_us: u64,
    /// The longest delay, in µs.
    pub longest_us: u64,
}

impl Settled {
    /// From a second on, to another or the end.
    pub fn of(samples: &[LinkSample], start: u64, end: Option<u64>) -> Self {
        let position = |second: u64| usize::try_from(second * 100).unwrap_or(usize::MAX);
        let end = end.map_or(samples.len(), position);
        let samples = samples.get(position(start)..end).unwrap_or_default();
        let capacities = || samples.iter().map(|sample| sample.capacity);
        let mut delays: Vec<u64> = samples.iter().map(|sample| sample.delay_us).collect();
        delays.sort_unstable();
        let count = u64::try_from(samples.len()).unwrap_or(1).max(1);
        Self {
            least: capacities().min().unwrap_or(0),
            most: capacities().max().unwrap_or(0),
            passed: samples.iter().map(|sample| sample.passed).sum::<u64>() / count,
            median_us: delays.get(delays.len() / 2).copied().unwrap_or(0),
            longest_us: delays.last().copied().unwrap_or(0),
        }
    }
}
