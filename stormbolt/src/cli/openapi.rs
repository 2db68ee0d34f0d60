//! `stormbolt openapi`

use super::exit::Exit;
use super::output::Output;
use crate::api::openapi;

/// Prints the OpenAPI document of the daemon's API.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Prints the OpenAPI document of the daemon's API, as this program serves it at \
        /v1/openapi.json on the daemon's socket. Needs no daemon.",
    after_long_help = "Examples:\n  \
        stormbolt openapi > openapi.json\n  \
        curl --unix-socket /run/stormbolt/stormbolt.sock http://localhost/v1/openapi.json"
)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    output.json(&openapi())?;
    Ok(Exit::Done)
}
