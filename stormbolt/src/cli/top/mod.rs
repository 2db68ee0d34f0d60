//! `stormbolt top`: a screen that follows the traffic.

mod draw;
mod screen;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io::{IsTerminal, stdin};
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use crossterm::event::EventStream;
use futures_util::StreamExt;
use ratatui::DefaultTerminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::exit::{Exit, UsageError};
use super::output::Output;
use super::show::period;
use crate::api::client::{Client, ClientError};
use crate::daemon::clock;
use screen::{Look, Screen, Wish};

/// Follows classes, CPUs, flows, sources and events on the whole screen.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Follows the traffic on the whole screen: interfaces, classes with what they get of their rate and \
        how that has developed, CPUs, the flows that send most, the sources that were refused most, and events.\n\n\
        Keys: q ends it, s sorts by something else, p pauses, arrows and page keys scroll.",
    after_long_help = "Example:\n  sudo stormbolt top --every 0.5"
)]
pub(super) struct Args {
    /// Look every so many seconds.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = period)]
    every: Duration,
}

/// What the daemon said, some time after it was asked.
type Looking<'c> = Pin<Box<dyn Future<Output = Result<Look, ClientError>> + 'c>>;

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    if !output.terminal || !stdin().is_terminal() {
        let message =
            "`stormbolt top` needs a terminal; elsewhere use `stormbolt show classes --watch`";
        return Err(UsageError(message.to_owned()).into());
    }
    let client = Client::new(socket)?;
    // Before the screen is taken, so that an error is seen.
    let first = client.block_on(look(&client, Duration::ZERO))?;
    let mut screen = Screen::new(output.style.colour, first);
    let mut terminal = ratatui::try_init()?;
    let followed = client.block_on(follow(&client, args.every, &mut screen, &mut terminal));
    ratatui::try_restore()?;
    followed?;
    Ok(Exit::Done)
}

/// Draws, and does what keys and signals say, until the end.
async fn follow(
    client: &Client,
    every: Duration,
    screen: &mut Screen,
    terminal: &mut DefaultTerminal,
) -> anyhow::Result<()> {
    let mut keys = EventStream::new();
    let mut ends = [
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    ];
    let [interrupt, terminate, hangup] = &mut ends;
    let mut looking: Looking<'_> = Box::pin(look(client, every));
    loop {
        terminal.draw(|frame| draw::draw(frame, screen))?;
        tokio::select! {
            event = keys.next() => match event {
                Some(event) => if screen.heed(&event?) == Wish::End {
                    return Ok(());
                },
                None => return Ok(()),
            },
            looked = &mut looking => {
                screen.take(looked);
                looking = Box::pin(look(client, every));
            }
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
        }
    }
}

/// Asks the daemon for everything, after a while.
async fn look(client: &Client, after: Duration) -> Result<Look, ClientError> {
    sleep(after).await;
    Ok(Look {
        status: client.get_async("/v1/status").await?,
        interfaces: client.get_async("/v1/interfaces").await?,
        classes: client.get_async("/v1/classes").await?,
        cpus: client.get_async("/v1/cpus").await?,
        sources: client.get_async("/v1/sources").await?,
        flows: client.get_async("/v1/flows").await?,
        events: client.get_async("/v1/events").await?,
        at: clock::now(),
    })
}
