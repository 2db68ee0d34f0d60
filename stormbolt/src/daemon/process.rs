//! The daemon as a process: privileges, signals, the service manager.

use std::path::Path;
use std::time::Duration;

use stormbolt_control::compile::Watch;
use stormbolt_control::policy::Policy;

use super::error::RunError;
use super::machine::{BoxedError, Machine};
use super::serve::{Event, Milestone, Options, serve};
use super::{memory, privileges, service_manager, signals};

/// Where the policy file is looked for.
pub const DEFAULT_CONFIG: &str = "/etc/stormbolt/stormbolt.toml";
/// Where policies are kept.
pub const DEFAULT_STATE: &str = "/var/lib/stormbolt";
/// Where the API listens.
pub const DEFAULT_SOCKET: &str = "/run/stormbolt/stormbolt.sock";
/// Where what outlives the daemon is pinned.
pub const DEFAULT_BPFFS: &str = "/sys/fs/bpf/stormbolt";

/// How long what still runs in the background is waited for at the end.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Runs the daemon in the foreground until SIGINT or SIGTERM; SIGHUP reads the policy file again. With
/// `keep_attached` SIGTERM leaves what is pinned as it is.
///
/// # Errors
///
/// When the daemon cannot start: then what a daemon before has left stays as it is. Or a defect ended it: then what
/// is pinned stays attached.
pub fn run<F, M>(options: &Options, keep_attached: bool, start: F) -> Result<(), RunError>
where
    F: FnOnce(Policy, &mut dyn Watch) -> Result<M, BoxedError> + Send + 'static,
    M: Machine + 'static,
{
    privileges::check()?;
    memory::share();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    let at_terminate = if keep_attached {
        Event::Leave
    } else {
        Event::Stop
    };
    let ended = runtime.block_on(async {
        let events = signals::events(at_terminate).map_err(RunError::Runtime)?;
        let say = |milestone| {
            if milestone == Milestone::Bound {
                // There are no other threads yet.
                privileges::drop_others(&places(options));
            }
            service_manager::tell(milestone);
        };
        serve(options, start, events, say).await
    });
    runtime.shutdown_timeout(LAST_WAIT);
    ended
}

/// What the daemon writes and removes. The directories are those of files that are replaced as a whole.
fn places(options: &Options) -> [&Path; 4] {
    fn directory_of(file: &Path) -> &Path {
        file.parent().unwrap_or(file)
    }
    [
        &options.config,
        directory_of(&options.config),
        directory_of(&options.socket),
        &options.state,
    ]
}
