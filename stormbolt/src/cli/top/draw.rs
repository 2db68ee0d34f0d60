//! Draws a screen: a function of what stands on it and of the terminal's size.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::bar::NINE_LEVELS;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use stormbolt_control::units::BitsPerSecond;

use super::screen::{HISTORY, Screen};
use crate::api::documents::{ClassStatus, CpuStatus};
use crate::cli::format::{bytes, count, end, measured, microseconds, per_second, seconds, share};
use crate::cli::table::printable;

/// Rows of sources and events, titles included.
const BELOW: u16 = 9;
/// Rows of flows, titles included.
const FLOWS: u16 = 7;
/// CPUs that have a row.
const MAX_CPUS: usize = 8;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let interfaces = rows(screen.look.interfaces.interfaces.len()) + 1;
    let cpus = rows(screen.look.cpus.cpus.len().min(MAX_CPUS)) + 1;
    let areas = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(interfaces + 1),
        Constraint::Min(4),
        Constraint::Length(cpus + 1),
        Constraint::Length(FLOWS),
        Constraint::Length(BELOW),
        Constraint::Length(1),
    ]);
    let [head, upper, middle, lower, flows, below, foot] = areas.areas(frame.area());
    header(frame, head, screen);
    interface_table(frame, upper, screen);
    class_table(frame, middle, screen);
    cpu_table(frame, lower, screen);
    flow_table(frame, flows, screen);
    let halves = Layout::horizontal([Constraint::Percentage(40), Constraint::Percentage(60)]);
    let [left, right] = halves.spacing(2).areas(below);
    sources(frame, left, screen);
    events(frame, right, screen);
    footer(frame, foot, screen);
}

fn header(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let status = &screen.look.status;
    let first = format!(
        "stormbolt {}  up {}  generation {} from {}  tick {} µs of {} ms",
        printable(&status.daemon_version),
        seconds(status.uptime_seconds),
        status.generation,
        printable(&status.policy_source),
        status.last_tick_microseconds,
        status.interval_milliseconds,
    );
    let notice = status.notices.first().map(|notice| printable(notice));
    let second = match (&screen.problem, screen.paused, notice) {
        (Some(problem), _, _) => alarming(screen, printable(problem)),
        (None, true, _) => alarming(screen, "paused".to_owned()),
        (None, false, Some(notice)) => alarming(screen, notice),
        (None, false, None) => Span::raw(""),
    };
    let lines = vec![Line::from(strong(first)), Line::from(second)];
    frame.render_widget(Paragraph::new(lines), area);
}

fn interface_table(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let titles = [
        "interface",
        "mode",
        "capacity",
        "arriving",
        "packets",
        "dropped",
    ];
    let interfaces = screen.look.interfaces.interfaces.iter();
    let rows = interfaces.map(|one| {
        let rates = screen.rates(one);
        Row::new([
            Cell::from(printable(&one.name)),
            Cell::from(printable(&one.mode)),
            right(measured(one.capacity_bits_per_second)),
            right(measured(rates.arriving)),
            right(per_second(rates.packets_per_second)),
            drops(screen, rates.dropped_per_second, "/s"),
        ])
    });
    let widths = [16, 10, 10, 10, 12, 12].map(Constraint::Length);
    table(frame, area, &titles, rows.collect(), &widths);
}

fn class_table(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let titles = [
        "class",
        "interface",
        "prio",
        "rate",
        "offered",
        "passed",
        "of rate",
        "dropped",
        "passed lately",
    ];
    let room = usize::from(area.height.saturating_sub(2));
    let classes = screen.classes();
    // The last page is a full one.
    let first = screen.first.min(classes.len().saturating_sub(room));
    let shown = classes.into_iter().skip(first).take(room);
    let rows = shown.map(|class| class_row(screen, class)).collect();
    let widths = [
        Constraint::Fill(2),
        Constraint::Fill(1),
        Constraint::Length(4),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(15),
        Constraint::Length(8),
        Constraint::Length(rows_of_history()),
    ];
    table(frame, area, &titles, rows, &widths);
}

fn class_row<'s>(screen: &Screen, class: &ClassStatus) -> Row<'s> {
    let (rate, passed) = (class.rate_bits_per_second, class.passed_bits_per_second);
    Row::new([
        Cell::from(printable(&class.name)),
        Cell::from(printable(&class.interface)),
        right(class.priority.to_string()),
        right(measured(rate)),
        right(measured(class.offered_bits_per_second)),
        right(measured(passed)),
        Cell::from(share(passed, rate)),
        drops(screen, class.dropped_packets, ""),
        Cell::from(sparkline(screen.history(class).collect())),
    ])
}

fn cpu_table(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let titles = ["cpu", "arriving", "steered to it", "slots", "load"];
    let load = |cpu: &CpuStatus| {
        let steered = cpu.steered_packets_per_second;
        steered.max(cpu.received_packets_per_second)
    };
    let mut cpus: Vec<_> = screen.look.cpus.cpus.iter().collect();
    if cpus.len() > MAX_CPUS {
        cpus.sort_by_key(|cpu| std::cmp::Reverse(load(cpu)));
        cpus.truncate(MAX_CPUS);
    }
    let busiest = cpus.iter().map(|cpu| load(cpu)).max().unwrap_or(0);
    let rows = cpus.into_iter().map(|cpu| {
        Row::new([
            right(cpu.cpu.to_string()),
            right(per_second(cpu.received_packets_per_second)),
            right(per_second(cpu.steered_packets_per_second)),
            right(cpu.slots.to_string()),
            // Of the busiest one.
            Cell::from(share(BitsPerSecond(load(cpu)), BitsPerSecond(busiest))),
        ])
    });
    let widths = [4, 12, 14, 6, 16].map(Constraint::Length);
    table(frame, area, &titles, rows.collect(), &widths);
}

fn flow_table(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let titles = [
        "source",
        "destination",
        "protocol",
        "class",
        "offered",
        "dropped",
        "round trip",
    ];
    // Behind the titles and before an empty row.
    let room = usize::from(area.height.saturating_sub(2));
    let flows = screen.look.flows.flows.iter().take(room);
    let rows = flows.map(|flow| {
        let dropped = flow.dropped_bits_per_second;
        let class = flow.class.as_deref().unwrap_or(&flow.outcome);
        let round_trip = flow.round_trip_microseconds;
        Row::new([
            Cell::from(end(flow.source, flow.source_port)),
            Cell::from(end(flow.destination, flow.destination_port)),
            Cell::from(printable(&flow.protocol)),
            Cell::from(printable(class)),
            right(measured(flow.offered_bits_per_second)),
            if dropped == BitsPerSecond::ZERO {
                right("-".to_owned())
            } else {
                Cell::from(Line::from(alarming(screen, measured(dropped))).right_aligned())
            },
            right(round_trip.map_or_else(|| "-".to_owned(), microseconds)),
        ])
    });
    let widths = [
        Constraint::Fill(2),
        Constraint::Fill(2),
        Constraint::Length(8),
        Constraint::Fill(1),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(10),
    ];
    table(frame, area, &titles, rows.collect(), &widths);
}

fn sources(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let titles = ["refused source", "class", "bytes"];
    let sources = screen.look.sources.sources.iter();
    let rows = sources.take(usize::from(area.height)).map(|source| {
        Row::new([
            Cell::from(printable(&source.source)),
            Cell::from(printable(&source.class)),
            right(bytes(source.refused_bytes)),
        ])
    });
    let widths = [
        Constraint::Fill(2),
        Constraint::Fill(1),
        Constraint::Length(8),
    ];
    table(frame, area, &titles, rows.collect(), &widths);
}

fn events(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let titles = ["time (UTC)", "event", ""];
    let room = usize::from(area.height.saturating_sub(1));
    let events = screen.look.events.events.iter().rev().take(room);
    let rows = events.map(|event| {
        let kind = printable(&event.kind);
        let is_info = event.severity == "info";
        let time = event.time.get(11..19).unwrap_or_default();
        Row::new([
            Cell::from(printable(time)),
            Cell::from(if is_info {
                Span::raw(kind)
            } else {
                alarming(screen, kind)
            }),
            Cell::from(printable(&event.message)),
        ])
    });
    let widths = [
        Constraint::Length(10),
        Constraint::Length(14),
        Constraint::Fill(1),
    ];
    table(frame, area, &titles, rows.collect(), &widths);
}

fn footer(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let pause = if screen.paused { "go on" } else { "pause" };
    let sort = screen.sort.name();
    let text = format!("q end   s sort (by {sort})   p {pause}   ↑ ↓ scroll");
    frame.render_widget(Paragraph::new(strong(text)), area);
}

fn table(
    frame: &mut Frame<'_>,
    area: Rect,
    titles: &[&'static str],
    rows: Vec<Row<'_>>,
    widths: &[Constraint],
) {
    let header = Row::new(titles.iter().map(|title| strong((*title).to_owned())));
    let table = Table::new(rows, widths.iter().copied()).header(header);
    frame.render_widget(table.column_spacing(1), area);
}

/// Bars whose heights are shares of the largest value.
fn sparkline(values: Vec<u64>) -> String {
    let largest = values.iter().copied().max().unwrap_or(0).max(1);
    let levels = [
        NINE_LEVELS.empty,
        NINE_LEVELS.one_eighth,
        NINE_LEVELS.one_quarter,
        NINE_LEVELS.three_eighths,
        NINE_LEVELS.half,
        NINE_LEVELS.five_eighths,
        NINE_LEVELS.three_quarters,
        NINE_LEVELS.seven_eighths,
        NINE_LEVELS.full,
    ];
    let bar = |value: u64| {
        // A little is not nothing.
        let eighths = (u128::from(value) * 8).div_ceil(u128::from(largest));
        let level = usize::try_from(eighths).unwrap_or(8);
        levels.get(level).copied().unwrap_or(NINE_LEVELS.full)
    };
    values.into_iter().map(bar).collect()
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

fn drops(screen: &Screen, dropped: u64, unit: &str) -> Cell<'static> {
    let text = format!("{}{unit}", count(dropped));
    let span = if dropped > 0 {
        alarming(screen, text)
    } else {
        Span::raw(text)
    };
    Cell::from(Line::from(span).right_aligned())
}

fn strong(text: String) -> Span<'static> {
    Span::styled(text, Style::new().add_modifier(Modifier::BOLD))
}

fn alarming(screen: &Screen, text: String) -> Span<'static> {
    if screen.colour {
        Span::styled(text, Style::new().fg(Color::LightRed))
    } else {
        Span::raw(text)
    }
}

fn rows(number: usize) -> u16 {
    u16::try_from(number)
        .unwrap_or(u16::MAX / 8)
        .min(u16::MAX / 8)
}

fn rows_of_history() -> u16 {
    rows(HISTORY)
}
