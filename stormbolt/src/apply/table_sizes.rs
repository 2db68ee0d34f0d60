//! Tables that get their size when the daemon starts, and what later policies ask of them.

use stormbolt_common::limits::{CellLayout, MAX_INTERFACES};
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
    /// Sources that have a bucket of their own.
    pub sources: u32,
    /// Room for classes and interfaces.
    pub cells: CellLayout,
}

/// Classes that there is room for at least, on all interfaces that there can be.
const FEW_CLASSES: u32 = 8192;

/// Room for what `policy` has, and for what it asks for besides.
///
/// A pair of interface and class takes 192 bytes, and 104 for each CPU. So where there are many classes, there is no
/// room for more interfaces than are named.
pub(crate) fn room_for(policy: &Policy) -> CellLayout {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let asked = policy
        .tables
        .classes
        .unwrap_or(CellLayout::DEFAULT.classes());
    let classes = asked.max(count(policy.classes.len()));
    let few = if classes > FEW_CLASSES {
        1
    } else {
        MAX_INTERFACES
    };
    let asked = policy.tables.interfaces.unwrap_or(few);
    let interfaces = asked.max(count(policy.interfaces.len()));
    CellLayout::with_room_for(classes, interfaces)
}

impl FixedSizes {
    /// What `policy` asks for and is not there, each with what to do about it.
    pub(crate) fn notices(self, policy: &Policy) -> impl Iterator<Item = (String, String)> {
        let memory = memory_notice(policy, self.bytes);
        let flows = flows_notice(policy, self.flows);
        let classes = room_notice("classes", policy.tables.classes, self.cells.classes());
        let sources = room_notice("sources", policy.tables.sources, self.sources);
        let interfaces = policy.tables.interfaces;
        let interfaces = room_notice("interfaces", interfaces, self.cells.interfaces());
        [memory, flows, sources, classes, interfaces]
            .into_iter()
            .flatten()
    }
}

/// That `policy` asks for more table memory than the `there` bytes that a policy may take, if it does;
/// and what to do about it.
fn memory_notice(policy: &Policy, there: u64) -> Option<(String, String)> {
    let asked = policy.tables.memory.filter(|asked| *asked > there)?;
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
    let asked = policy.tables.flows.filter(|asked| *asked != there)?;
    let message = format!(
        "the policy asks that each CPU remembers {asked} flows, but it remembers {there}: that was \
         fixed when the daemon started"
    );
    let help = "start the daemon again with this policy in its own file";
    Some((message, help.to_owned()))
}

/// That a policy asks for room for more of a kind than the `there` that there is room for, if it does; and what to
/// do about it.
fn room_notice(kind: &str, asked: Option<u32>, there: u32) -> Option<(String, String)> {
    let asked = asked.filter(|asked| *asked > there)?;
    let message = format!(
        "the policy asks for room for {asked} {kind}, but there is room for {there}: that was fixed when the \
         daemon started"
    );
    let help = "start the daemon again with this policy in its own file";
    Some((message, help.to_owned()))
}
