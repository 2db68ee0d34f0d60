//! `show events`: what has happened.

use std::io::{self, Write};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::{How, Shown};
use crate::api::client::Client;
use crate::cli::output::{Format, Output, Style};
use crate::cli::table::printable;
use crate::telemetry::documents::{EventList, EventStatus};

impl Shown for EventList {
    const PATH: &'static str = "/v1/events";

    fn table(&self, style: Style) -> String {
        let mut text = String::new();
        if self.missed_events > 0 {
            let missed = format!("{} earlier events are no longer kept\n", self.missed_events);
            text.push_str(&missed);
        }
        self.events
            .iter()
            .for_each(|event| text.push_str(&line(event, style)));
        if text.is_empty() {
            text.push_str("no events\n");
        }
        text
    }
}

/// One event on one line, newline at the end.
pub(in crate::cli) fn line(event: &EventStatus, style: Style) -> String {
    let (time, kind) = (printable(&event.time), printable(&event.kind));
    let time = time.replace('T', " ");
    let padded = format!("{kind:<14}");
    let kind = match event.severity.as_str() {
        "error" => style.error(&padded),
        "warning" => style.warning(&padded),
        _ => padded,
    };
    format!("{time}  {kind}  {}\n", printable(&event.message))
}

/// Shows the events, and with `--watch` those that come until SIGINT or SIGTERM.
pub(super) fn show(how: &How, client: &Client, output: &mut Output<'_>) -> anyhow::Result<()> {
    let Some(period) = how.watch else {
        return super::show::<EventList>(how, client, output);
    };
    client.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            biased;
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            error = follow(client, how.output, period, output) => Err(error),
        }
    })
}

async fn follow(
    client: &Client,
    format: Format,
    period: Duration,
    output: &mut Output<'_>,
) -> anyhow::Error {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut after = 0;
    loop {
        ticks.tick().await;
        let path = format!("{}?after={after}", EventList::PATH);
        let list: EventList = match client.get_async(&path).await {
            Ok(list) => list,
            Err(error) => return error.into(),
        };
        if let Err(error) = print(&list, format, output).and_then(|()| output.flush()) {
            return error.into();
        }
        after = list.last_sequence;
    }
}

fn print(list: &EventList, format: Format, output: &mut Output<'_>) -> io::Result<()> {
    match format {
        Format::Json => list
            .events
            .iter()
            .try_for_each(|event| output.json_line(event)),
        Format::Table if list.events.is_empty() => Ok(()),
        Format::Table => output.write_all(list.table(output.style).as_bytes()),
    }
}
