//! Questions about one packet: what `stormbolt explain` and `POST /v1/explain` are asked, as a frame.
//!
//! Pure: the command line reads questions with it before it sends them, so that a mistake is told by
//! the option that has it, and the daemon reads them again.

mod fields;
mod frame;
mod hex;
#[cfg(test)]
mod tests;

pub use fields::frame_of;
pub use hex::{hex, unhex};

use thiserror::Error;

/// What is wrong with a question.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{key}`: {problem}")]
pub struct QuestionError {
    /// The key that it is about, as [`crate::api::explanation::Question`] has it.
    pub key: &'static str,
    /// What is wrong.
    pub problem: String,
}

impl QuestionError {
    fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self {
            key,
            problem: problem.into(),
        }
    }

    /// The same for somebody who has typed options: `--src-port: …`.
    pub fn with_option(&self) -> String {
        let option = match self.key {
            "length_bytes" => "length".to_owned(),
            key => key.replace('_', "-"),
        };
        format!("--{option}: {}", self.problem)
    }
}
