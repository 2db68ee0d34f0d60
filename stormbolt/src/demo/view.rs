//! What a person sees: tables and bars that follow the traffic, and a summary.

use std::io::{self, Write};

use stormbolt_control::units::BitsPerSecond;

use super::Options;
use super::measure::Reading;
use super::phase::Stage;
use super::report::{ClassReport, CpuReport, DemoReport, PhaseReport, classes, cpus, per_second};
use crate::cli::format::{count, measured, share};
use crate::cli::output::Style;
use crate::cli::table::{Item, Table};

/// The demo's screen.
pub(super) struct View<'w> {
    options: Options,
    out: &'w mut dyn Write,
    /// Lines of the live table that the next one overwrites.
    live_lines: usize,
}

impl<'w> View<'w> {
    pub(super) fn new(options: Options, out: &'w mut dyn Write) -> Self {
        Self {
            options,
            out,
            live_lines: 0,
        }
    }

    /// Says what happens next.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.options.json {
            return Ok(());
        }
        writeln!(self.out, "\n{}", self.style().strong(text))?;
        self.out.flush()
    }

    /// Shows the traffic between two readings, over the last such table on a terminal.
    pub(super) fn live(
        &mut self,
        stage: Stage,
        before: &Reading,
        after: &Reading,
    ) -> io::Result<()> {
        if self.options.json {
            return Ok(());
        }
        let span_ns = after.at_ns.saturating_sub(before.at_ns).max(1);
        let flood = per_second(
            after.flood_frames.saturating_sub(before.flood_frames),
            span_ns,
        );
        let classes = classes(before, after, span_ns);
        if !self.options.terminal {
            return self.live_line(stage, flood, &classes);
        }
        let mut text = self.tables(&classes, &cpus(before, after, span_ns));
        let requests = after.requests.sent.saturating_sub(before.requests.sent);
        let arrived = after
            .requests
            .received
            .saturating_sub(before.requests.received);
        let traffic = format!(
            "flood {}   critical requests {} sent, {} arrived\n",
            packets(flood),
            packets(per_second(requests, span_ns)),
            packets(per_second(arrived, span_ns)),
        );
        text.push_str(&traffic);
        self.erase_live()?;
        self.live_lines = text.lines().count();
        write!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Shows what a phase came to, in place of its live table.
    pub(super) fn phase(&mut self, phase: &PhaseReport) -> io::Result<()> {
        if self.options.json {
            return Ok(());
        }
        self.erase_live()?;
        let tables = self.tables(&phase.classes, &phase.cpus);
        let critical = &phase.critical;
        write!(self.out, "{tables}")?;
        writeln!(
            self.out,
            "{:.1} s: flood {}; critical: {} requests, {:.2} % lost, round trip p50 {:.0} µs, \
             p99 {:.0} µs",
            phase.seconds,
            packets(phase.flood_packets_per_second),
            critical.sent,
            critical.loss * 100.0,
            phase.latency_us.p50,
            phase.latency_us.p99,
        )?;
        self.out.flush()
    }

    /// Ends the demo: the checks for people, or the document for programs.
    pub(super) fn summary(&mut self, report: &DemoReport) -> io::Result<()> {
        if self.options.json {
            serde_json::to_writer_pretty(&mut *self.out, report)?;
            return writeln!(self.out);
        }
        self.say(&format!("Summary (attached in {} mode)", report.mode))?;
        let mut table = Table::new(
            self.style(),
            &["phase", ">flood", ">critical lost", ">p50", ">p99"],
        );
        for phase in &report.phases {
            table.row([
                phase.name.into(),
                packets(phase.flood_packets_per_second).into(),
                format!("{:.2} %", phase.critical.loss * 100.0).into(),
                format!("{:.0} µs", phase.latency_us.p50).into(),
                format!("{:.0} µs", phase.latency_us.p99).into(),
            ]);
        }
        write!(self.out, "{}", table.render())?;
        writeln!(self.out)?;
        for check in &report.checks {
            let mark = if check.held { "holds" } else { "FAILS" };
            writeln!(self.out, "{mark}  {}: {}", check.name, check.detail)?;
        }
        writeln!(self.out, "\nNothing is left behind: the lab is gone.")?;
        self.out.flush()
    }

    /// One line per refresh, for output that goes to a file.
    fn live_line(&mut self, stage: Stage, flood: u64, classes: &[ClassReport]) -> io::Result<()> {
        write!(self.out, "{}: flood {}", stage.name(), packets(flood))?;
        for class in classes {
            write!(
                self.out,
                "; {} {} of {}",
                class.name,
                rate(class.passed_bps),
                rate(class.offered_bps)
            )?;
        }
        writeln!(self.out)?;
        self.out.flush()
    }

    fn erase_live(&mut self) -> io::Result<()> {
        if self.live_lines > 0 {
            // Up to the first line of the table, then clear to the end of the screen (ECMA-48).
            write!(self.out, "\x1b[{}A\x1b[J", self.live_lines)?;
            self.live_lines = 0;
        }
        Ok(())
    }

    fn tables(&self, classes: &[ClassReport], cpus: &[CpuReport]) -> String {
        let mut text = String::new();
        let titles = [
            "class",
            ">rate",
            ">offered",
            ">passed",
            ">dropped",
            "passed of offered",
        ];
        let mut table = Table::new(self.style(), &titles);
        for class in classes {
            let dropped = match class.dropped_packets {
                None => Item::from("-"),
                Some(0) => Item::from("0"),
                Some(packets) => Item::Alarming(count(packets)),
            };
            table.row([
                class.name.as_str().into(),
                class.rate_bps.map_or_else(|| "-".to_owned(), rate).into(),
                rate(class.offered_bps).into(),
                rate(class.passed_bps).into(),
                dropped,
                share(
                    BitsPerSecond(class.passed_bps),
                    BitsPerSecond(class.offered_bps),
                )
                .into(),
            ]);
        }
        text.push_str(&table.render());
        let mut table = Table::new(self.style(), &["CPU", ">received", ">slots", "busy"]);
        for cpu in cpus {
            let optional = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
            table.row([
                cpu.cpu.to_string().into(),
                optional(cpu.received_packets_per_second.map(packets)).into(),
                optional(cpu.slots.map(|slots| slots.to_string())).into(),
                share(busy(cpu.busy_percent), BitsPerSecond(1000)).into(),
            ]);
        }
        text.push_str(&table.render());
        text
    }

    fn style(&self) -> Style {
        Style {
            colour: self.options.colour,
        }
    }
}

/// A share in tenths of a percent, for a bar out of 1,000.
#[expect(clippy::as_conversions, reason = "no other conversion from f64 to u64")]
#[expect(clippy::cast_possible_truncation, reason = "a percentage")]
#[expect(clippy::cast_sign_loss, reason = "a percentage")]
fn busy(percent: f64) -> BitsPerSecond {
    BitsPerSecond((percent * 10.0) as u64)
}

fn rate(bits_per_second: u64) -> String {
    measured(BitsPerSecond(bits_per_second))
}

fn packets(per_second: u64) -> String {
    format!("{} packets/s", count(per_second))
}
