//! The same document again and again, as the daemon sends it.

use std::convert::Infallible;
use std::io::{self, Write};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::Shown;
use crate::api::client::Client;
use crate::cli::output::{Format, Output};

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR: &str = "\x1b[2J";
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Shows a document every `period` until SIGINT or SIGTERM.
///
/// A terminal is redrawn in place; else tables follow each other, and JSON documents take a line
/// each.
pub(super) async fn watch<T: Shown>(
    client: &Client,
    format: Format,
    period: Duration,
    output: &mut Output<'_>,
) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let redraws = output.terminal && format == Format::Table;
    if redraws {
        write!(output, "{HIDE_CURSOR}{CLEAR}")?;
    }
    let shown = tokio::select! {
        biased;
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        ended = forever::<T>(client, format, period, redraws, output) => match ended? {},
    };
    if redraws {
        write!(output, "{SHOW_CURSOR}")?;
        output.flush()?;
    }
    shown
}

async fn forever<T: Shown>(
    client: &Client,
    format: Format,
    period: Duration,
    redraws: bool,
    output: &mut Output<'_>,
) -> anyhow::Result<Infallible> {
    let name = T::PATH.trim_start_matches("/v1/");
    let period = period.as_millis();
    let path = format!("/v1/stream/{name}?interval_milliseconds={period}");
    let mut stream = client.follow(&path).await?;
    let mut first = true;
    loop {
        let document: T = stream.next().await?.read()?;
        match format {
            Format::Json => output.json_line(&document)?,
            Format::Table if redraws => redraw(&document.table(output.style), output)?,
            Format::Table => {
                let gap = if first { "" } else { "\n" };
                write!(output, "{gap}{}", document.table(output.style))?;
            }
        }
        first = false;
        output.flush()?;
    }
}

/// Draws over what was drawn before, without a blank screen in between.
fn redraw(text: &str, output: &mut Output<'_>) -> io::Result<()> {
    write!(output, "{HOME}")?;
    for line in text.lines() {
        write!(output, "{line}{CLEAR_LINE}\r\n")?;
    }
    write!(output, "{CLEAR_BELOW}")
}
