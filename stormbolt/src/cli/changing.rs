//! What all commands have in common that change the policy.

use std::io::Write;
use std::path::Path;

use super::exit::explained_finding;
use super::output::Output;
use super::session::session;
use crate::api::client::{Client, ClientError};
use crate::config::Finding;

/// Under what condition the policy is changed.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Condition {
    /// Only if generation N is in force: else somebody else has changed the policy meanwhile.
    #[arg(long, value_name = "N", global = true)]
    if_generation: Option<u32>,
}

impl Condition {
    /// A client whose changes depend on it, and do not cut off the session that they come from.
    pub(super) fn client(&self, socket: &Path) -> Result<Client, ClientError> {
        let client = Client::new(socket)?;
        Ok(client
            .for_generation(self.if_generation)
            .in_session(session()))
    }
}

/// Shows what the daemon noticed.
pub(super) fn warn(warnings: &[Finding], output: &mut Output<'_>) -> std::io::Result<()> {
    for warning in warnings {
        let text = explained_finding(warning, output.style);
        output.write_all(text.as_bytes())?;
    }
    Ok(())
}
