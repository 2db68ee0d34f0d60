//! The sizes of the tables in the kernel, as far as a policy says anything about them.

use serde::{Deserialize, Serialize};

/// What a policy asks for. The tables are allocated when the daemon starts, so these are no more than wishes in
/// any policy but the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableWishes {
    /// Bytes that the compiled rules and sets of one policy may take.
    pub memory: Option<u64>,
    /// IPv4 flows that each CPU remembers: 0, or a power of two up to
    /// [`stormbolt_common::flow_cache::MAX_FLOWS`]; IPv6 flows count as two.
    pub flows: Option<u32>,
    /// Sources whose buckets there is room for, up to [`stormbolt_common::source::MAX_SOURCES`].
    pub sources: Option<u32>,
    /// Classes that there is room for, up to [`stormbolt_common::limits::MAX_CLASSES`].
    pub classes: Option<u32>,
    /// Interfaces that there is room for, up to [`stormbolt_common::limits::MAX_INTERFACES`].
    pub interfaces: Option<u32>,
}

impl TableWishes {
    /// Whether nothing is asked for.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}
