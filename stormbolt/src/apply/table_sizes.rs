//! Tables that get their size when the daemon starts, and what later policies ask of them.

use stormbolt_control::policy::Policy;

use crate::config::units::write_size;

#[cfg(test)]
mod tests;

/// What was allocated when the daemon started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedSizes {
    /// Bytes that the compiled rules and sets of one policy may take.
    pub bytes: u64,
    /// IPv4 flows that each CPU remembers.
    pub flows: u32,
}

impl FixedSizes {
    /// What `policy` asks for and is not there, each with what to do about it.
    pub(crate) fn notices(self, policy: &Policy) -> impl Iterator<Item = (String, String)> {
        let memory = memory_notice(policy, self.bytes);
        memory.into_iter().chain(flows_notice(policy, self.flows))
    }
}

/// That `policy` asks for more table memory than the `there` bytes that a policy may take, if it does;
/// and what to do about it.
fn memory_notice(policy: &Policy, there: u64) -> Option<(String, String)> {
    let asked = policy.table_memory.filter(|asked| *asked > there)?;
    let (asked, there) = (write_size(asked), write_size(there));
    let message = format!(
        "the policy asks for {asked} of table memory, but has {there}: that was allocated when the \
         daemon started"
    );
    let help = format!(
        "start the daemon again with --table-memory {asked}, or with this policy in its own file and \
         without that option"
    );
    Some((message, help))
}

/// That `policy` asks for another number of flows than the `there` that each CPU remembers, if it does; and
/// what to do about it.
fn flows_notice(policy: &Policy, there: u32) -> Option<(String, String)> {
    let asked = policy.table_flows.filter(|asked| *asked != there)?;
    let message = format!(
        "the policy asks that each CPU remembers {asked} flows, but it remembers {there}: that was \
         fixed when the daemon started"
    );
    let help = "start the daemon again with this policy in its own file";
    Some((message, help.to_owned()))
}
