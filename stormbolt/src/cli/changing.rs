//! What all commands have in common that change the policy.

use std::io::Write;
use std::path::Path;

use super::exit::{Exit, explained_finding};
use super::output::{Format, Output};
use super::session::session;
use crate::api::client::{Client, ClientError};
use crate::api::documents::Applied;
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

/// How it is told what has become of a change.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Told {
    /// What to print.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

impl Told {
    /// Whether a document is wanted and nothing else.
    pub(super) fn is_document(&self) -> bool {
        self.output == Format::Json
    }

    /// Prints the document, or what the daemon noticed and then `text`.
    pub(super) fn tell(
        &self,
        applied: &Applied,
        output: &mut Output<'_>,
        text: impl FnOnce(&mut Output<'_>) -> std::io::Result<()>,
    ) -> anyhow::Result<Exit> {
        if self.is_document() {
            output.json(applied)?;
        } else {
            warn(&applied.warnings, output)?;
            text(output)?;
        }
        Ok(Exit::Done)
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
