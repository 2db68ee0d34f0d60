//! `stormbolt doctor`: what stands in the way, and what to do about it.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::format::counted;
use super::output::{Format, Output, Style};
use super::table::printable;
use crate::daemon::{DEFAULT_BPFFS, DEFAULT_CONFIG, DEFAULT_STATE};
use crate::doctor::{Diagnosis, Places, State, examine};

/// Examines the machine and says what is wrong and what to do.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Examines the machine: the kernel and its settings, the policy file, the interfaces and their \
        drivers, the daemon and what daemons have left. Says of each how it stands (ok, note or problem) and what to \
        do. Changes nothing; the program is loaded into the kernel to see whether it is taken, and removed again.\n\n\
        Without root not everything can be seen; what was not is a note.\n\n\
        Ends with 0 if nothing is a problem and with 1 if something is.",
    after_long_help = "Example:\n  sudo stormbolt doctor\n  sudo stormbolt doctor eth0 --config policy.toml"
)]
pub(super) struct Args {
    /// The interfaces to examine; without any, those of the policy, or all of the machine where that has none.
    #[arg(value_name = "INTERFACE")]
    interfaces: Vec<String>,
    /// The policy file.
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// Where the daemon keeps the policies that were in force.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_STATE)]
    state: PathBuf,
    /// Where the daemon pins what outlives it.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BPFFS)]
    bpffs: PathBuf,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let diagnosis = examine(&Places {
        socket: socket.to_owned(),
        config: args.config.clone(),
        state: args.state.clone(),
        bpffs: args.bpffs.clone(),
        interfaces: args.interfaces.clone(),
    });
    match args.output {
        Format::Json => output.json(&diagnosis)?,
        Format::Table => {
            let text = text(&diagnosis, output.style);
            output.write_all(text.as_bytes())?;
        }
    }
    Ok(if diagnosis.healthy {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// A line for each finding, one below for what to do, and the sum.
fn text(diagnosis: &Diagnosis, style: Style) -> String {
    let mut text = String::new();
    for finding in &diagnosis.findings {
        let state = match finding.state {
            State::Ok => "ok     ".to_owned(),
            State::Note => style.warning("note   "),
            State::Problem => style.error("problem"),
        };
        let place = match &finding.interface {
            Some(interface) => format!("{interface}: "),
            None => String::new(),
        };
        let line = printable(&format!("{place}{}", finding.message));
        text.extend([&state, "  ", &line, "\n"]);
        if let Some(remedy) = &finding.remedy {
            text.extend(["           → ", &printable(remedy), "\n"]);
        }
    }
    let count = |state| {
        let findings = diagnosis.findings.iter();
        findings.filter(|one| one.state == state).count()
    };
    let sum = format!(
        "{}, {}\n",
        counted(count(State::Problem), "problem", "problems"),
        counted(count(State::Note), "note", "notes")
    );
    text.push_str(&style.strong(sum.trim_end()));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::DoctorFinding;

    fn finding(state: State, interface: Option<&str>, remedy: Option<&str>) -> DoctorFinding {
        DoctorFinding {
            check: "mtu".to_owned(),
            interface: interface.map(str::to_owned),
            state,
            message: "it is 9000".to_owned(),
            remedy: remedy.map(str::to_owned),
        }
    }

    #[test]
    fn each_finding_is_a_line_and_what_to_do_stands_below() {
        let diagnosis = Diagnosis {
            version: 1,
            healthy: false,
            findings: vec![
                finding(State::Ok, None, None),
                finding(State::Note, Some("eth0"), Some("do that")),
                finding(State::Problem, Some("eth\u{1b}1"), None),
            ],
        };
        let expected = "ok       it is 9000\n\
            note     eth0: it is 9000\n           → do that\n\
            problem  eth\u{fffd}1: it is 9000\n\
            1 problem, 1 note\n";
        assert_eq!(text(&diagnosis, Style { colour: false }), expected);
    }
}
