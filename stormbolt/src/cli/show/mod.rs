//! `stormbolt show`

mod classes;
mod cpus;
mod events;
mod flows;
mod history;
mod interfaces;
mod rules;
mod sets;
mod sources;
mod status;
mod tables;
#[cfg(test)]
mod tests;
mod watch;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exit::Exit;
use super::output::{Format, Output, Style};
use crate::api::client::Client;
use crate::api::documents::{
    Classes, Cpus, Flows, History, Interfaces, Rules, Sets, Sources, Status,
};
use crate::telemetry::documents::Tables;

/// Shows what the daemon does and sees.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  sudo stormbolt show classes --watch\n  \
    sudo stormbolt show interfaces -o json"
)]
pub(super) struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// The daemon: what policy is in force and since when it runs.
    #[command(after_long_help = "Example:\n  sudo stormbolt show status")]
    Status(How),

    /// The interfaces: how the program is attached, and what became of the frames that arrived.
    #[command(after_long_help = "Example:\n  sudo stormbolt show interfaces")]
    Interfaces(How),

    /// The classes: what they are guaranteed, what they may, what they offered and what passed.
    #[command(
        long_about = "The classes on each interface: the guaranteed rate, the highest rate \
            (ceil), the rate in force now, what arrived in the last interval (offered), what of it \
            passed, as a share of the rate in force, and the packets dropped so far; where there are any, \
            the packets that passed ahead of the rate, and those of them that were marked instead of dropped \
            (ECN).",
        after_long_help = "Example:\n  sudo stormbolt show classes --watch 0.5"
    )]
    Classes(How),

    /// The rules and the packets that each of them matched.
    #[command(after_long_help = "Example:\n  sudo stormbolt show rules")]
    Rules(How),

    /// The sets: how many prefixes they have, and which rules refer to them.
    #[command(after_long_help = "Example:\n  sudo stormbolt show sets")]
    Sets(How),

    /// The sources that were refused most, in classes with a limit on each source.
    #[command(
        long_about = "The sources that were refused most because they sent more than each source of their class \
            may (`per-source` in the policy file), the largest first; and what was refused of each such class \
            altogether. The memory for sources is bounded: of one that was refused little, some may be missing.",
        after_long_help = "Example:\n  sudo stormbolt show sources --watch"
    )]
    Sources(How),

    /// The flows and sources that send most, and how long round trips take.
    #[command(
        long_about = "The flows and the sources that send most, the largest first, with the class of their last packet, \
            what they send, what of it is dropped and, of TCP connections, round-trip times to the source. It is \
            estimated from sampled packets: all of them while there are few, one in many under load.\n\n\
            Round trips are measured where both directions arrive on managed interfaces, by TCP timestamps; where this \
            machine is one of the ends, by the handshake of connections that others open.",
        after_long_help = "Example:\n  sudo stormbolt show flows --watch"
    )]
    Flows(How),

    /// The CPUs: where packets arrive, and where they are steered to.
    #[command(after_long_help = "Example:\n  sudo stormbolt show cpus --watch")]
    Cpus(How),

    /// The policies that were in force, for `rollback`; the latest first.
    #[command(after_long_help = "Example:\n  sudo stormbolt show history")]
    History(How),

    /// The tables: how full they are, and how well the flow caches do.
    #[command(after_long_help = "Example:\n  sudo stormbolt show tables")]
    Tables(How),

    /// The events: what has happened since the daemon started.
    #[command(
        long_about = "The events since the daemon started, the oldest first; it keeps the last 1024. With --watch, \
            those that there are and then each that comes, a line each.",
        after_long_help = "Example:\n  sudo stormbolt show events --watch"
    )]
    Events(How),
}

#[derive(Debug, clap::Args)]
struct How {
    /// What to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,

    /// Show it again every so many seconds, until Ctrl-C; 1 if no number is given. With `-o json`, a document a
    /// line. Events are shown as they come.
    #[arg(
        short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
        value_parser = period
    )]
    watch: Option<Duration>,
}

/// A document that can be shown.
pub(super) trait Shown: Serialize + DeserializeOwned {
    /// Where the API has it.
    const PATH: &'static str;

    /// As text for people, newline at the end.
    fn table(&self, style: Style) -> String;
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let client = Client::new(socket)?;
    match &args.subject {
        Subject::Status(how) => show::<Status>(how, &client, output),
        Subject::Interfaces(how) => show::<Interfaces>(how, &client, output),
        Subject::Classes(how) => show::<Classes>(how, &client, output),
        Subject::Rules(how) => show::<Rules>(how, &client, output),
        Subject::Sets(how) => show::<Sets>(how, &client, output),
        Subject::Sources(how) => show::<Sources>(how, &client, output),
        Subject::Flows(how) => show::<Flows>(how, &client, output),
        Subject::Cpus(how) => show::<Cpus>(how, &client, output),
        Subject::History(how) => show::<History>(how, &client, output),
        Subject::Tables(how) => show::<Tables>(how, &client, output),
        Subject::Events(how) => events::show(how, &client, output),
    }?;
    Ok(Exit::Done)
}

fn show<T: Shown>(how: &How, client: &Client, output: &mut Output<'_>) -> anyhow::Result<()> {
    if let Some(period) = how.watch {
        return client.block_on(watch::watch::<T>(client, how.output, period, output));
    }
    let document: T = client.get(T::PATH)?;
    match how.output {
        Format::Json => output.json(&document)?,
        Format::Table => output.write_all(document.table(output.style).as_bytes())?,
    }
    Ok(())
}

pub(super) fn period(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if !(0.1..=3600.0).contains(&seconds) {
        return Err("it is from 0.1 to 3600 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}
