//! Every wish about the sizes of tables that a policy may have.

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use stormbolt_common::limits::{MAX_CLASSES, MAX_INTERFACES};
use stormbolt_common::source::MAX_SOURCES;
use stormbolt_control::policy::TableWishes;

use crate::config::units::{TABLE_FLOWS, TABLE_MEMORY};

/// Every number of flows that is valid.
fn table_flows() -> impl Strategy<Value = u32> {
    let powers = (0..32).map(|exponent| 1_u32 << exponent);
    let valid = powers.filter(|flows| TABLE_FLOWS.contains(flows));
    select(std::iter::once(0).chain(valid).collect::<Vec<_>>())
}

prop_compose! {
    pub(super) fn tables()(
        memory in of(TABLE_MEMORY),
        flows in of(table_flows()),
        sources in of(1..=MAX_SOURCES),
        classes in of(1..=MAX_CLASSES),
        interfaces in of(1..=MAX_INTERFACES),
    ) -> TableWishes {
        TableWishes { memory, flows, sources, classes, interfaces }
    }
}
