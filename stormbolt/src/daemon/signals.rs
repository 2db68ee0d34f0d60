//! The signals of the process as events.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::serve::Event;

/// Catches SIGINT, SIGTERM and SIGHUP from now on, also while the machine is being started. `at_terminate` is what
/// SIGTERM means.
///
/// # Errors
///
/// When the kernel does not let the process catch them.
pub(super) fn events(at_terminate: Event) -> io::Result<mpsc::Receiver<Event>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (events, receiver) = mpsc::channel(8);
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                _ = interrupt.recv() => Event::Stop,
                _ = terminate.recv() => at_terminate,
                _ = hangup.recv() => Event::Reload,
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
