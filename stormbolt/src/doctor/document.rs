//! What `stormbolt doctor` says, as a document.

use serde::{Deserialize, Serialize};

use crate::api::documents::DOCUMENT_VERSION;

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Diagnosis {
    /// Version of all documents.
    pub version: u32,
    /// Whether nothing is a problem.
    pub healthy: bool,
    /// What was found, in the order in which it was looked at.
    pub findings: Vec<DoctorFinding>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DoctorFinding {
    /// What was looked at, a word that does not change: `kernel`, `mtu`.
    pub check: String,
    /// The interface, where it is about one.
    pub interface: Option<String>,
    /// How it stands.
    pub state: State,
    /// What was seen, and what it means.
    pub message: String,
    /// What to do about it, a command where there is one.
    pub remedy: Option<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// It works, but could be better; or it could not be seen.
    Note,
    /// It does not work, or not as the policy says.
    Problem,
}

impl Diagnosis {
    /// These findings together.
    pub(super) fn of(findings: Vec<DoctorFinding>) -> Self {
        Self {
            version: DOCUMENT_VERSION,
            healthy: findings.iter().all(|one| one.state != State::Problem),
            findings,
        }
    }
}

impl DoctorFinding {
    pub(super) fn ok(check: &str, message: impl Into<String>) -> Self {
        Self::new(check, State::Ok, message.into())
    }

    pub(super) fn note(check: &str, message: impl Into<String>) -> Self {
        Self::new(check, State::Note, message.into())
    }

    pub(super) fn problem(check: &str, message: impl Into<String>) -> Self {
        Self::new(check, State::Problem, message.into())
    }

    fn new(check: &str, state: State, message: String) -> Self {
        Self {
            check: check.to_owned(),
            interface: None,
            state,
            message,
            remedy: None,
        }
    }

    pub(super) fn on(mut self, interface: &str) -> Self {
        self.interface = Some(interface.to_owned());
        self
    }

    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}
