//! `show events`: what has happened.

use std::convert::Infallible;
use std::io::Write;

use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

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
            text.push_str(&missed(self.missed_events));
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
    if how.watch.is_none() {
        return super::show::<EventList>(how, client, output);
    }
    client.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            biased;
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            ended = follow(client, how.output, output) => match ended? {},
        }
    })
}

/// How many events are no longer kept.
#[derive(Serialize, Deserialize)]
struct Missed {
    missed_events: u64,
}

async fn follow(
    client: &Client,
    format: Format,
    output: &mut Output<'_>,
) -> anyhow::Result<Infallible> {
    let mut stream = client.follow("/v1/stream/events").await?;
    loop {
        let happened = stream.next().await?;
        let is_missed = happened.name == "missed";
        match format {
            Format::Json if is_missed => output.json_line(&happened.read::<Missed>()?)?,
            Format::Json => output.json_line(&happened.read::<EventStatus>()?)?,
            Format::Table if is_missed => {
                let text = missed(happened.read::<Missed>()?.missed_events);
                output.write_all(text.as_bytes())?;
            }
            Format::Table => {
                let text = line(&happened.read()?, output.style);
                output.write_all(text.as_bytes())?;
            }
        }
        output.flush()?;
    }
}

fn missed(events: u64) -> String {
    format!("{events} earlier events are no longer kept\n")
}
