//! `stormbolt capture`

mod line;
mod pcapng;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write, stderr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::exit::{Exit, UsageError};
use super::format::counted;
use super::output::{Format, Output};
use crate::api::client::{Capturing, Client};
use crate::api::documents::{CaptureCourse, CaptureLine, CaptureRequest, CapturedPacket};
use crate::config::units::parse_time;
use pcapng::Pcapng;

/// How often a file is flushed, and progress shown.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

/// Shows arriving packets with class, rule and what becomes of them, or writes them to a pcapng file.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Shows arriving packets as the program in the kernel has decided about them: with the class, the \
        rule that matched, and what became of each, a line a packet. With --write they go into a pcapng file, where \
        Wireshark and tshark show all this as packet comments.\n\n\
        Dropped packets are captured as well, which tcpdump on the interface does not see. Of each frame the first \
        256 bytes are kept, as the program has left them (marks and code points are those that it has written).\n\n\
        What the options say must all be so. Under a flood not every packet can be had; how many could not is said at \
        the end, and --one-in takes fewer. A packet that is shown takes some hundred nanoseconds more than others. This needs the right to change things, \
        since packets show what others say.",
    after_long_help = "Example:\n  \
        sudo stormbolt capture --dropped                          what is dropped, and why\n  \
        sudo stormbolt capture --class bulk --host 192.0.2.0/24 -c 100\n  \
        sudo stormbolt capture --outcome over_rate --one-in 1000 -w dropped.pcapng --duration 60s\n  \
        sudo stormbolt capture -w - | wireshark -k -i -"
)]
pub(super) struct Args {
    /// Write them to this pcapng file; `-` is standard output.
    #[arg(long, short, value_name = "FILE|-", conflicts_with = "output")]
    write: Option<PathBuf>,

    /// They arrive on this interface.
    #[arg(long, short, value_name = "NAME")]
    interface: Option<String>,

    /// They are of this class.
    #[arg(long, value_name = "NAME")]
    class: Option<String>,

    /// This becomes of them, like `over_rate`; `show interfaces` has the names.
    #[arg(long, value_name = "NAME")]
    outcome: Option<String>,

    /// They are dropped.
    #[arg(long, conflicts_with = "passed")]
    dropped: bool,

    /// They are not dropped.
    #[arg(long)]
    passed: bool,

    /// They come from this address or prefix, or go there.
    #[arg(long, value_name = "PREFIX")]
    host: Option<String>,

    /// They come from it.
    #[arg(long, value_name = "PREFIX")]
    src: Option<String>,

    /// They go there.
    #[arg(long, value_name = "PREFIX")]
    dst: Option<String>,

    /// It is one of their ports.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Their IP protocol, by name or number.
    #[arg(long, short, value_name = "NAME|N")]
    protocol: Option<String>,

    /// One packet in so many of those, on average.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    one_in: Option<u32>,

    /// End after so many packets.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after that time, like `30s`.
    #[arg(long, value_name = "TIME")]
    duration: Option<String>,

    /// What to print: a line a packet, for people or as JSON.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let request = request(args)?;
    let client = Client::new(socket)?;
    if args.write.as_deref() == Some(Path::new("-")) && output.terminal {
        let message = "--write -: pcapng is not for terminals; name a file, or pipe it to somebody";
        return Err(UsageError(message.to_owned()).into());
    }
    client.block_on(async {
        // Before the file is made, which may replace another one.
        let capturing = client.capture(&request).await?;
        let sink = sink(args, output)?;
        capture(capturing, sink, args.write.is_some()).await
    })?;
    Ok(Exit::Done)
}

fn sink<'o>(args: &Args, output: &'o mut Output<'_>) -> anyhow::Result<Box<dyn Sink + 'o>> {
    Ok(match &args.write {
        None if args.output == Format::Json => Box::new(Json(output)),
        None => Box::new(Lines(output)),
        Some(path) if path == Path::new("-") => Box::new(FileSink(Pcapng::new(output)?)),
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Box::new(FileSink(Pcapng::new(BufWriter::new(file))?))
        }
    })
}

fn request(args: &Args) -> anyhow::Result<CaptureRequest> {
    let duration = args.duration.as_deref().map(parse_time).transpose();
    let duration = duration.map_err(|problem| UsageError(format!("--duration: {problem}")))?;
    let milliseconds = duration.map(|time| time.0.div_ceil(1_000_000).max(1));
    Ok(CaptureRequest {
        interface: args.interface.clone(),
        class: args.class.clone(),
        outcome: args.outcome.clone(),
        dropped: (args.dropped || args.passed).then_some(args.dropped),
        host: args.host.clone(),
        src: args.src.clone(),
        dst: args.dst.clone(),
        port: args.port,
        protocol: args.protocol.clone(),
        one_packet_in: args.one_in,
        count: args.count,
        duration_milliseconds: milliseconds,
    })
}

/// Where packets go.
trait Sink {
    fn packet(&mut self, packet: &CapturedPacket) -> anyhow::Result<()>;

    fn flush(&mut self) -> io::Result<()>;
}

struct Lines<'o, 'w>(&'o mut Output<'w>);

impl Sink for Lines<'_, '_> {
    fn packet(&mut self, packet: &CapturedPacket) -> anyhow::Result<()> {
        let line = line::of(packet, self.0.style);
        Ok(writeln!(self.0, "{line}")?)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Json<'o, 'w>(&'o mut Output<'w>);

impl Sink for Json<'_, '_> {
    fn packet(&mut self, packet: &CapturedPacket) -> anyhow::Result<()> {
        Ok(self.0.json_line(packet)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct FileSink<W: Write>(Pcapng<W>);

impl<W: Write> Sink for FileSink<W> {
    fn packet(&mut self, packet: &CapturedPacket) -> anyhow::Result<()> {
        self.0.write(packet)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Captures until the daemon says that it is enough, or SIGINT or SIGTERM does.
async fn capture(
    mut capturing: Capturing,
    mut sink: Box<dyn Sink + '_>,
    shows_progress: bool,
) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut ticks = interval(SHOWN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let shows_progress = shows_progress && stderr().is_terminal();
    let mut packets = 0_u64;
    let mut course = None;
    let ended_by = loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => break None,
            _ = terminate.recv() => break None,
            _ = ticks.tick() => {
                sink.flush()?;
                if shows_progress {
                    // Nobody is left to tell when standard error is closed.
                    drop(write!(stderr(), "\r{}", said(packets)));
                }
            }
            line = capturing.next() => match line? {
                CaptureLine::Packet(packet) => {
                    sink.packet(&packet)?;
                    packets += 1;
                }
                CaptureLine::Course(now) => {
                    let ended_by = now.ended_by.clone();
                    course = Some(now);
                    if ended_by.is_some() {
                        break ended_by;
                    }
                }
            },
        }
    };
    sink.flush()?;
    let begin = if shows_progress { "\r" } else { "" };
    let lost = course.as_ref().map(lost).unwrap_or_default();
    drop(writeln!(stderr(), "{begin}{}{lost}", said(packets)));
    match ended_by.as_deref() {
        Some("daemon") => bail!("the daemon has ended the capture: is it being stopped?"),
        Some("policy") => bail!("the capture has ended: its class is no longer in the policy"),
        _ => Ok(()),
    }
}

fn said(packets: u64) -> String {
    format!("{} captured", packets_of(packets))
}

fn packets_of(packets: u64) -> String {
    let packets = usize::try_from(packets).unwrap_or(usize::MAX);
    counted(packets, "packet", "packets")
}

/// What could not be had, as it was said last.
fn lost(course: &CaptureCourse) -> String {
    let losses = [
        (
            course.lost_packets,
            "lost since they came faster than they were taken",
        ),
        (
            course.not_shown_packets,
            "of all kinds not shown since they were too many; those that were stand for them",
        ),
    ];
    let losses = losses.into_iter().filter(|(packets, _)| *packets > 0);
    let losses: Vec<String> = losses
        .map(|(packets, why)| format!(", {} {why}", packets_of(packets)))
        .collect();
    if losses.is_empty() {
        String::new()
    } else {
        format!("{} (--one-in takes fewer)", losses.concat())
    }
}
