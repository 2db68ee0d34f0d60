//! What the service manager is told, where there is one (`sd_notify(3)`).

use sd_notify::NotifyState;

use super::serve::Milestone;

/// Tells how far the daemon is in its life.
pub(super) fn tell(milestone: Milestone) {
    match milestone {
        Milestone::Bound => {}
        Milestone::Ready => send(&[NotifyState::Ready]),
        Milestone::Reloading => {
            // Managers that wait for the end of a reload want to know when it began.
            match NotifyState::monotonic_usec_now() {
                Ok(now) => send(&[NotifyState::Reloading, now]),
                Err(_) => send(&[NotifyState::Reloading]),
            }
        }
        // Ignored by managers that did not ask for it.
        Milestone::Alive => send(&[NotifyState::Watchdog]),
        Milestone::Stopping => send(&[NotifyState::Stopping]),
    }
}

/// Says in a line what the daemon does, for `systemctl status`.
pub(super) fn tell_status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

fn send(states: &[NotifyState<'_>]) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}
