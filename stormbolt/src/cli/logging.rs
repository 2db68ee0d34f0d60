//! The daemon's log, on standard error.

use std::io::stderr;

use tracing_subscriber::EnvFilter;

use super::output::Style;

/// Logs from now on; `RUST_LOG` chooses what.
pub(super) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(Style::of(&stderr()).colour)
        .with_target(false);
    // The journal writes the time itself.
    let started = if std::env::var_os("JOURNAL_STREAM").is_some() {
        subscriber.without_time().try_init()
    } else {
        subscriber.try_init()
    };
    // Somebody else logs already, in tests for example.
    drop(started);
}
