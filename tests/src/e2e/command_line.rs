//! Commands that run to their end.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use super::binary::stormbolt;

/// What a command has left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output as one JSON document.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, once it is sure that the command ended with `code`.
    ///
    /// # Panics
    ///
    /// When it ended otherwise.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often only the code matters"
    )]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs `stormbolt` with these arguments, outside the lab: whatever needs a daemon finds it by its
/// socket.
pub fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Finished {
    let mut command = Command::new(stormbolt());
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap().into()
}
