//! How a command ends.

use std::io;
use std::process::ExitCode;

use super::output::Style;
use super::table::printable;
use crate::api::TlsError;
use crate::api::client::ClientError;
use crate::api::documents::Problem;
use crate::causes::with_causes;
use crate::config::{self, Finding, LoadError, PolicyError, Severity};
use crate::daemon::{RunError, SocketError};
use crate::datapath::{DatapathError, PinError};
use crate::lab::LabError;

/// The exit codes. Wrong usage is mostly clap's to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Something went wrong.
    Failed,
    /// The options make no sense together, as clap says it.
    Usage,
    /// The daemon is not reachable (`EX_UNAVAILABLE` of sysexits.h).
    NotReachable,
    /// A right is missing (`EX_NOPERM`).
    NotPermitted,
    /// The policy or the configuration is not valid (`EX_CONFIG`).
    Invalid,
    /// The daemon took too long, as timeout(1) says it.
    TimedOut,
}

impl Exit {
    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotReachable => 69,
            Self::NotPermitted => 77,
            Self::Invalid => 78,
            Self::TimedOut => 124,
        }
    }

    /// How an error ends the command: by the first of its causes that has a code of its own.
    pub fn of(error: &anyhow::Error) -> Self {
        error.chain().find_map(of_cause).unwrap_or(Self::Failed)
    }
}

/// The options are not what they should be, in a way that their types do not show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(error) = cause.downcast_ref::<ClientError>() {
        return Some(of_client(error));
    }
    if let Some(error) = cause.downcast_ref::<PinError>() {
        return of_pins(error);
    }
    if cause.is::<UsageError>() {
        return Some(Exit::Usage);
    }
    if let Some(error) = cause.downcast_ref::<RunError>() {
        return match error {
            RunError::NotPermitted { .. } => Some(Exit::NotPermitted),
            RunError::Policy(error) => Some(of_load(error)),
            RunError::Socket(error) => Some(of_socket(error)),
            // `transparent` errors leave themselves out of the chain.
            RunError::Start(error) => of_start(error.as_ref()),
            RunError::Access(_) => Some(Exit::Invalid),
            RunError::Tls(error) => Some(of_tls(error)),
            RunError::Runtime(_) | RunError::Panicked => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<LoadError>() {
        return Some(of_load(error));
    }
    if cause.is::<PolicyError>() {
        return Some(Exit::Invalid);
    }
    if let Some(LabError::NeedsRoot { .. }) = cause.downcast_ref::<LabError>() {
        return Some(Exit::NotPermitted);
    }
    // `stormbolt show classes | head`: whoever read has seen enough.
    let error = cause.downcast_ref::<io::Error>()?;
    (error.kind() == io::ErrorKind::BrokenPipe).then_some(Exit::Done)
}

fn of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::NotReachable { .. } | ClientError::Gone { .. } => Exit::NotReachable,
        ClientError::NotPermitted { .. }
        | ClientError::Problem {
            status: 401 | 403, ..
        } => Exit::NotPermitted,
        ClientError::TimedOut { .. } => Exit::TimedOut,
        ClientError::Problem { status: 422, .. } => Exit::Invalid,

        ClientError::Problem { .. }
        | ClientError::BrokenOff(_)
        | ClientError::Answer(_)
        | ClientError::Runtime(_) => Exit::Failed,
    }
}

fn of_load(error: &LoadError) -> Exit {
    match error {
        LoadError::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Exit::NotPermitted
        }
        LoadError::Read { .. }
        | LoadError::TooLarge { .. }
        | LoadError::NotText { .. }
        | LoadError::Policy(_) => Exit::Invalid,
    }
}

fn of_socket(error: &SocketError) -> Exit {
    match error {
        SocketError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Exit::NotPermitted
        }
        SocketError::Io { .. } | SocketError::InUse { .. } | SocketError::NotASocket { .. } => {
            Exit::Failed
        }
    }
}

fn of_tls(error: &TlsError) -> Exit {
    match error {
        TlsError::Pem { .. } | TlsError::Certificate(_) | TlsError::Tokens(_) => Exit::Invalid,
        TlsError::Listen { .. } => Exit::Failed,
    }
}

fn of_pins(error: &PinError) -> Option<Exit> {
    let (PinError::Io { source, .. } | PinError::Mount(source)) = error else {
        return None;
    };
    (source.kind() == io::ErrorKind::PermissionDenied).then_some(Exit::NotPermitted)
}

fn of_start(error: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    use crate::apply::ApplyError;
    if let Some(error) = error.downcast_ref::<PinError>() {
        return of_pins(error);
    }
    let refused = |error: &DatapathError| matches!(error, DatapathError::NotPermitted);
    let not_permitted = match error.downcast_ref::<ApplyError>() {
        Some(ApplyError::Datapath(error)) => refused(error),
        Some(
            ApplyError::Compile(_)
            | ApplyError::GivenUp
            | ApplyError::NoRoom { .. }
            | ApplyError::NoSuchInterface { .. }
            | ApplyError::NotAttached { .. }
            | ApplyError::TooMany { .. },
        ) => false,
        None => error.downcast_ref::<DatapathError>().is_some_and(refused),
    };
    not_permitted.then_some(Exit::NotPermitted)
}

/// What standard error shows of an error, newline at the end.
pub(super) fn explained(error: &anyhow::Error, style: Style) -> String {
    for cause in error.chain() {
        let policy = match (
            cause.downcast_ref::<LoadError>(),
            cause.downcast_ref::<RunError>(),
        ) {
            (Some(LoadError::Policy(error)), _)
            | (_, Some(RunError::Policy(LoadError::Policy(error)))) => Some(error),
            _ => cause.downcast_ref::<PolicyError>(),
        };
        if let Some(error) = policy {
            return config::render(error, style.colour);
        }
        match cause.downcast_ref::<ClientError>() {
            Some(ClientError::Problem { problem, .. }) => return explained_problem(problem, style),
            Some(error) => {
                let help = error.help().map(|help| format!("    help: {help}\n"));
                let (heading, help) = (style.error("error:"), help.unwrap_or_default());
                return format!("{heading} {}\n{help}", with_causes(error));
            }
            None => {}
        }
    }
    let help = error
        .is::<UsageError>()
        .then_some("\nFor more information, try '--help'.\n");
    let heading = style.error("error:");
    format!("{heading} {error:#}\n{}", help.unwrap_or_default())
}

fn explained_problem(problem: &Problem, style: Style) -> String {
    let mut text = format!("{} {}\n", style.error("error:"), problem.error);
    for finding in &problem.findings {
        text.push_str(&explained_finding(finding, style));
    }
    text
}

/// A finding, with its place where it is in a file; texts without one the user has not written.
pub(super) fn explained_finding(finding: &Finding, style: Style) -> String {
    let severity = match finding.severity {
        Severity::Error => style.error("error:"),
        Severity::Warning => style.warning("warning:"),
    };
    let help = finding
        .help
        .as_ref()
        .map(|help| format!("    help: {help}\n"));
    let place = finding.file.as_ref().map(|file| {
        let (file, line, column) = (printable(file), finding.line, finding.column);
        format!("{file}:{line}:{column}: ")
    });
    format!(
        "  {}{severity} {}\n{}",
        place.unwrap_or_default(),
        finding.message,
        help.unwrap_or_default()
    )
}
