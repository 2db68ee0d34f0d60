//! The daemon as a process: privileges, signals, the service manager.

use std::time::Duration;

use caps::{CapSet, Capability};
use sd_notify::NotifyState;
use stormbolt_control::compile::Watch;
use stormbolt_control::policy::Policy;

use super::error::RunError;
use super::machine::{BoxedError, Machine};
use super::serve::{Milestone, Options, serve};
use super::signals;

/// Where the policy file is looked for.
pub const DEFAULT_CONFIG: &str = "/etc/stormbolt/stormbolt.toml";
/// Where policies are kept.
pub const DEFAULT_STATE: &str = "/var/lib/stormbolt";
/// Where the API listens.
pub const DEFAULT_SOCKET: &str = "/run/stormbolt/stormbolt.sock";

/// How long what still runs in the background is waited for at the end.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Runs the daemon in the foreground until SIGINT or SIGTERM; SIGHUP reads the policy file again.
///
/// # Errors
///
/// When the daemon cannot start, or a defect ended it. Nothing stays attached in either case.
pub fn run<F, M>(options: &Options, start: F) -> Result<(), RunError>
where
    F: FnOnce(Policy, &mut dyn Watch) -> Result<M, BoxedError> + Send + 'static,
    M: Machine + 'static,
{
    check_capabilities()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    let ended = runtime.block_on(async {
        let events = signals::events().map_err(RunError::Runtime)?;
        serve(options, start, events, notify).await
    });
    runtime.shutdown_timeout(LAST_WAIT);
    ended
}

/// The kernel's own refusals come late and do not say what is missing.
fn check_capabilities() -> Result<(), RunError> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    // CAP_SYS_ADMIN contains the two that are younger (capabilities(7)).
    let needed: &[Capability] = if has(Capability::CAP_SYS_ADMIN) {
        &[Capability::CAP_NET_ADMIN]
    } else {
        &[
            Capability::CAP_NET_ADMIN,
            Capability::CAP_BPF,
            Capability::CAP_PERFMON,
        ]
    };
    match needed.iter().find(|capability| !has(**capability)) {
        Some(missing) => Err(RunError::NotPermitted {
            missing: missing.to_string(),
        }),
        None => Ok(()),
    }
}

fn notify(milestone: Milestone) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let state = match milestone {
        Milestone::Ready => NotifyState::Ready,
        Milestone::Stopping => NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot notify the service manager: {error}");
    }
}
