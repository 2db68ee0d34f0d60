//! The policy file.

use crate::doctor::document::DoctorFinding;
use crate::doctor::facts::{PolicyFile, PolicyState, ValidPolicy};

pub(super) fn assess(policy: &PolicyFile) -> Vec<DoctorFinding> {
    let check = "policy";
    let path = policy.path.display();
    match &policy.state {
        PolicyState::Missing => vec![
            DoctorFinding::note(check, format!("there is no policy file {path}"))
                .remedy("write one, see docs/policy.md; or name another with --config"),
        ],
        PolicyState::Unreadable(reason) => {
            vec![DoctorFinding::note(check, reason.clone()).remedy("sudo stormbolt doctor")]
        }
        PolicyState::Invalid(reason) => vec![
            DoctorFinding::problem(check, format!("{path} is not a valid policy: {reason}"))
                .remedy(format!("stormbolt check {path}")),
        ],
        PolicyState::Valid(valid) => of_valid(&path.to_string(), valid),
    }
}

fn of_valid(path: &str, valid: &ValidPolicy) -> Vec<DoctorFinding> {
    let check = "policy";
    let mut findings = vec![match valid.warnings {
        0 => DoctorFinding::ok(check, format!("{path} is valid")),
        1 => DoctorFinding::note(check, format!("{path} is valid, with a warning"))
            .remedy(format!("stormbolt check {path}")),
        more => DoctorFinding::note(check, format!("{path} is valid, with {more} warnings"))
            .remedy(format!("stormbolt check {path}")),
    }];
    if valid.exempt_from_anywhere && !valid.interfaces.is_empty() {
        let message = "management traffic is exempt from wherever it comes: a flood of TCP to those ports is not policed";
        findings.push(
            DoctorFinding::note("management", message)
                .remedy("name where you come from: `src` below `[management]`"),
        );
    }
    findings
}
