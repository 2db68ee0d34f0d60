//! The daemon's log: in the journal with its fields, elsewhere as lines on standard error.

use std::io::stderr;
use std::os::fd::AsFd as _;

use nix::sys::stat::fstat;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::output::Style;

/// Logs from now on; `RUST_LOG` chooses what.
pub(super) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let in_journal = writes_to_journal();
    let journal = in_journal.then(tracing_journald::layer);
    let started = if let Some(Ok(journal)) = journal {
        // `journalctl STORMBOLT_GENERATION=3`
        let journal = journal
            .with_syslog_identifier("stormbolt".to_owned())
            .with_field_prefix(Some("STORMBOLT".to_owned()));
        let registry = tracing_subscriber::registry().with(filter).with(journal);
        registry.try_init().map_err(drop)
    } else {
        // People read the message, which says all that the fields say.
        let message = debug_fn(|writer, field, value| match field.name() {
            "message" => write!(writer, "{value:?}"),
            _ => Ok(()),
        });
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(stderr)
            .with_ansi(Style::of(&stderr()).colour)
            .fmt_fields(message)
            .with_target(false);
        // The journal writes the time itself.
        if in_journal {
            subscriber.without_time().try_init().map_err(drop)
        } else {
            subscriber.try_init().map_err(drop)
        }
    };
    // Somebody else logs already, in tests for example.
    started.unwrap_or(());
}

/// Whether standard error is the journal and nothing that was put in its place (systemd.exec(5), `$JOURNAL_STREAM`).
fn writes_to_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(stderr().as_fd()).is_ok_and(|file| stream == format!("{}:{}", file.st_dev, file.st_ino))
}
