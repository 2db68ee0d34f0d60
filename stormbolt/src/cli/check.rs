//! `stormbolt check`

use std::io::Write;
use std::path::PathBuf;

use stormbolt_control::policy::Policy;

use super::exit::Exit;
use super::format::counted;
use super::output::{Format, Output};
use crate::api::documents::{Checked, DOCUMENT_VERSION};
use crate::config::{self, LoadError};

/// Checks a policy file.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Checks a policy file and shows each mistake with its line, its column and the \
        text there, all of them at once. Needs no daemon and no root, and changes nothing.\n\n\
        Ends with 0 if the policy can be applied, warnings or not, and with 78 if it cannot.",
    after_long_help = "Example:\n  stormbolt check docs/examples/gateway.toml"
)]
pub(super) struct Args {
    /// The policy file.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let (loaded, findings) = match config::load(&args.file) {
        Ok((loaded, _text)) => {
            let findings = loaded.warnings.findings();
            (Ok(loaded), findings)
        }
        Err(LoadError::Policy(error)) => {
            let findings = error.findings();
            (Err(error), findings)
        }
        Err(error) => return Err(error.into()),
    };
    let exit = if loaded.is_ok() {
        Exit::Done
    } else {
        Exit::Invalid
    };
    match (args.output, loaded) {
        (Format::Json, loaded) => {
            let valid = loaded.is_ok();
            output.json(&Checked {
                version: DOCUMENT_VERSION,
                valid,
                findings,
            })?;
        }
        (Format::Table, Ok(loaded)) => {
            let warnings = loaded.warnings.render(output.style.colour);
            let (name, content) = (args.file.display(), summary(&loaded.policy));
            writeln!(output, "{warnings}{name}: valid: {content}")?;
        }
        (Format::Table, Err(error)) => {
            output.write_all(config::render(&error, output.style.colour).as_bytes())?;
        }
    }
    Ok(exit)
}

fn summary(policy: &Policy) -> String {
    let mut parts = vec![
        counted(policy.interfaces.len(), "interface", "interfaces"),
        counted(policy.classes.len(), "class", "classes"),
        counted(policy.rules.len(), "rule", "rules"),
    ];
    if !policy.sets.is_empty() {
        let prefixes = policy.sets.iter().map(|set| set.prefixes.len()).sum();
        parts.push(format!(
            "{} of {}",
            counted(policy.sets.len(), "set", "sets"),
            counted(prefixes, "prefix", "prefixes")
        ));
    }
    parts.join(", ")
}
