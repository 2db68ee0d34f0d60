//! The client of the API, for the command line and the demo.

mod exchange;
mod follow;
mod lines;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::runtime::Runtime;

use super::attachments::InterfaceChoice;
use super::documents::{
    Applied, ClassChange, CompilingStatus, Interfaces, Problem, Progress, RuleChange, SetChange,
};
use super::explanation::{Explanation, Question};
use crate::daemon::DEFAULT_SOCKET;

pub use follow::{Followed, Happened};
pub use lines::Capturing;

/// How long the daemon may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take over a policy, which can hold a million prefixes.
/// The daemon itself gives up compiling after a minute.
const POLICY_TIMEOUT: Duration = Duration::from_secs(90);
/// How long until the progress of a policy is looked at, and then between looks.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LOOKS: Duration = Duration::from_millis(250);

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("the daemon is not reachable at {}", path.display())]
    NotReachable {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The socket is not ours to use.
    #[error("not permitted to use {}", path.display())]
    NotPermitted {
        /// The socket.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The daemon took too long.
    #[error("the daemon did not answer within {seconds} s at {}", path.display())]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The daemon refused.
    #[error("{}", problem.error)]
    Problem {
        /// The status of HTTP.
        status: u16,
        /// What is wrong.
        problem: Problem,
    },
    /// The connection broke off.
    #[error("the daemon broke off")]
    BrokenOff(#[source] hyper::Error),
    /// What was to go on has ended.
    #[error("the daemon at {} has gone", path.display())]
    Gone {
        /// The socket.
        path: PathBuf,
    },
    /// The answer makes no sense.
    #[error("the daemon's answer is not understood: {0}")]
    Answer(String),
    /// No threads or memory.
    #[error("cannot set up the connection")]
    Runtime(#[source] io::Error),
}

impl ClientError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NotReachable { path, .. } if path == Path::new(DEFAULT_SOCKET) => {
                Some("is it running? Start it with: sudo stormbolt run".to_owned())
            }
            Self::NotReachable { path, .. } => Some(format!(
                "is it running? Start it with: sudo stormbolt run --socket {}",
                path.display()
            )),
            Self::NotPermitted { .. } => {
                Some("run this as root, or as a member of the socket's group".to_owned())
            }
            Self::Answer(_) => Some("do the daemon's version and this one differ?".to_owned()),
            Self::Gone { .. } => Some("when it runs again, begin anew".to_owned()),
            Self::TimedOut { .. }
            | Self::Problem { .. }
            | Self::BrokenOff(_)
            | Self::Runtime(_) => None,
        }
    }
}

/// What becomes of a policy that is put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HowToPut {
    /// It is only checked and compared.
    pub dry_run: bool,
    /// It is undone if it is not confirmed within that time.
    pub confirm: Option<Duration>,
}

/// Asks the daemon at one socket; every request has a connection of its own.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    runtime: Runtime,
    timeout: Duration,
    generation: Option<u32>,
    session: Option<String>,
}

impl Client {
    /// A client of the daemon at `path`. Does not connect yet.
    ///
    /// # Errors
    ///
    /// When the process has no more descriptors.
    pub fn new(path: &Path) -> Result<Self, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ClientError::Runtime)?;
        Ok(Self {
            path: path.to_owned(),
            runtime,
            timeout: TIMEOUT,
            generation: None,
            session: None,
        })
    }

    /// Waits for `timeout` at most, policies excepted.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Changes are refused unless this generation is in force.
    #[must_use]
    pub fn for_generation(self, generation: Option<u32>) -> Self {
        Self { generation, ..self }
    }

    /// Changes are refused that would cut off this session, written as in `SSH_CONNECTION`.
    #[must_use]
    pub fn in_session(self, session: Option<String>) -> Self {
        Self { session, ..self }
    }

    /// Runs `work` on the client's runtime, for callers that wait for other things too.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Gets the document at `path`, `/v1/status` for example.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.block_on(self.get_async(path))
    }

    /// Like [`Self::get`], within [`Self::block_on`].
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn get_async<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        document(
            &self
                .ask(Method::GET, path, String::new(), self.timeout)
                .await?,
        )
    }

    /// Gets the policy in force, as a policy file.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn policy(&self) -> Result<String, ClientError> {
        self.text("/v1/policy")
    }

    /// Gets the text at `path`, `/metrics` for example.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn text(&self, path: &str) -> Result<String, ClientError> {
        let answer = self.ask(Method::GET, path, String::new(), self.timeout);
        String::from_utf8(self.block_on(answer)?.into())
            .map_err(|error| ClientError::Answer(error.to_string()))
    }

    /// Puts the text of a policy file into force, or only has it checked. `name` is what the file is
    /// called in messages.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn put_policy(
        &self,
        name: &str,
        text: String,
        dry_run: bool,
    ) -> Result<Applied, ClientError> {
        let how = HowToPut {
            dry_run,
            confirm: None,
        };
        self.put_policy_watched(name, text, how, |_| ())
    }

    /// Has something done that needs no more than being asked for: `/v1/confirm` for example.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn post(&self, path: &str) -> Result<Applied, ClientError> {
        self.edit(Method::POST, path, None::<&()>)
    }

    /// Like [`Self::put_policy`]; when it takes over a second, `show` sees how far the daemon is.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn put_policy_watched(
        &self,
        name: &str,
        text: String,
        how: HowToPut,
        show: impl FnMut(&CompilingStatus),
    ) -> Result<Applied, ClientError> {
        let HowToPut { dry_run, confirm } = how;
        let mut path = format!(
            "/v1/policy?name={}&dry_run={dry_run}",
            percent_encoded(name)
        );
        if let Some(confirm) = confirm {
            let seconds = format!("&confirm_seconds={}", confirm.as_secs());
            path.push_str(&seconds);
        }
        let timeout = self.timeout.max(POLICY_TIMEOUT);
        let answer = self.ask(Method::PUT, &path, text, timeout);
        self.block_on(async {
            tokio::select! {
                answer = answer => document(&answer?),
                never = self.look(show) => match never {},
            }
        })
    }

    /// Shows how far the daemon is with what it compiles, again and again.
    async fn look(&self, mut show: impl FnMut(&CompilingStatus)) -> Infallible {
        tokio::time::sleep(FIRST_LOOK).await;
        loop {
            // A daemon that cannot say how far it is may still come to an end.
            if let Ok(Progress { compiling, .. }) = self.get_async("/v1/progress").await {
                compiling.iter().for_each(&mut show);
            }
            tokio::time::sleep(LOOKS).await;
        }
    }

    /// Changes class `name`.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn patch_class(&self, name: &str, change: &ClassChange) -> Result<Applied, ClientError> {
        let path = format!("/v1/classes/{}", percent_encoded(name));
        self.edit(Method::PATCH, &path, Some(change))
    }

    /// Adds a rule.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn post_rule(&self, change: &RuleChange) -> Result<Applied, ClientError> {
        self.edit(Method::POST, "/v1/rules", Some(change))
    }

    /// Changes rule `name`, or moves it.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn patch_rule(&self, name: &str, change: &RuleChange) -> Result<Applied, ClientError> {
        let path = format!("/v1/rules/{}", percent_encoded(name));
        self.edit(Method::PATCH, &path, Some(change))
    }

    /// Deletes rule `name`.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn delete_rule(&self, name: &str) -> Result<Applied, ClientError> {
        let path = format!("/v1/rules/{}", percent_encoded(name));
        self.edit(Method::DELETE, &path, None::<&()>)
    }

    /// Changes prefixes of set `name`.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn patch_set(&self, name: &str, change: &SetChange) -> Result<Applied, ClientError> {
        let path = format!("/v1/sets/{}", percent_encoded(name));
        self.edit(Method::PATCH, &path, Some(change))
    }

    /// Changes one thing, after which the whole policy may have to be compiled anew.
    fn edit(
        &self,
        method: Method,
        path: &str,
        change: Option<&impl Serialize>,
    ) -> Result<Applied, ClientError> {
        let body = change.map(serde_json::to_string).transpose();
        let body = body.map_err(|error| ClientError::Answer(error.to_string()))?;
        let timeout = self.timeout.max(POLICY_TIMEOUT);
        document(&self.block_on(self.ask(method, path, body.unwrap_or_default(), timeout))?)
    }

    /// Asks what becomes of a packet.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn explain(&self, question: &Question) -> Result<Explanation, ClientError> {
        let body = serde_json::to_string(question)
            .map_err(|error| ClientError::Answer(error.to_string()))?;
        document(&self.block_on(self.ask(Method::POST, "/v1/explain", body, self.timeout))?)
    }

    /// Takes the program off interfaces, or puts it back.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub fn set_attached(
        &self,
        choice: &InterfaceChoice,
        attached: bool,
    ) -> Result<Interfaces, ClientError> {
        let body = serde_json::to_string(choice)
            .map_err(|error| ClientError::Answer(error.to_string()))?;
        let path = if attached { "/v1/attach" } else { "/v1/detach" };
        document(&self.block_on(self.ask(Method::POST, path, body, self.timeout))?)
    }
}

fn document<T: DeserializeOwned>(body: &Bytes) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Answer(error.to_string()))
}

/// Encodes everything but unreserved characters (RFC 3986 section 2.3).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let digits = format!("%{byte:02X}");
            encoded.push_str(&digits);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_addresses() {
        assert_eq!(percent_encoded("web-1.a_b~"), "web-1.a_b~");
        assert_eq!(percent_encoded("/tmp/ä?&#%"), "%2Ftmp%2F%C3%A4%3F%26%23%25");
    }
}
