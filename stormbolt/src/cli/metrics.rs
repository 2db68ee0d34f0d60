//! `stormbolt metrics`

use std::io::Write;
use std::path::Path;

use super::exit::Exit;
use super::output::Output;
use crate::api::client::Client;

/// Prints what `GET /metrics` answers: counters and gauges in the OpenMetrics text format.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Prints what `GET /metrics` answers: counters and gauges in the OpenMetrics text format, for \
        Prometheus and what understands it. docs/observability.md lists them.",
    after_long_help = "Example:\n  sudo stormbolt metrics\n  \
        sudo stormbolt metrics > /var/lib/prometheus/node-exporter/stormbolt.prom"
)]
pub(super) struct Args {
    /// Classes (of all interfaces together) and rules that have series of their own. Where there are more, those
    /// that have counted nothing are left out first; 2000 without this.
    #[arg(long, value_name = "NUMBER")]
    series: Option<usize>,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let query = args.series.map(|series| format!("?series={series}"));
    let path = format!("/metrics{}", query.unwrap_or_default());
    let text = Client::new(socket)?.text(&path)?;
    output.write_all(text.as_bytes())?;
    Ok(Exit::Done)
}
