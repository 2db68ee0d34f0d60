//! What the facts mean.

mod daemon;
mod interfaces;
mod kernel;
mod policy;
#[cfg(test)]
mod tests;

use super::document::DoctorFinding;
use super::facts::Facts;

/// Judges everything, from the kernel up to the daemon.
pub(super) fn assess(facts: &Facts) -> Vec<DoctorFinding> {
    let mut findings = kernel::assess(&facts.kernel, &facts.missing_rights, &facts.load);
    findings.extend(policy::assess(&facts.policy));
    findings.extend(interfaces::assess(facts));
    findings.extend(daemon::assess(facts));
    findings
}
