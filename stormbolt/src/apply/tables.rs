//! How full the tables are.

use stormbolt_common::limits::{MAX_CPU_SETS, MAX_RULES};
use stormbolt_control::units::Nanoseconds;

use super::engine::Engine;
use crate::api::documents::DOCUMENT_VERSION;
use crate::causes::with_causes;
use crate::telemetry::documents::{FlowCacheStatus, RuleMemory, TableStatus, Tables};

impl Engine {
    /// The tables, what is taken of them, and how well the flow caches do.
    pub fn tables(&self) -> Tables {
        let cells = self.datapath.cells();
        let policy = &self.policy;
        let (interfaces, classes) = (policy.interfaces.len(), policy.classes.len());
        let mut tables = vec![
            table("rules", self.rules.all().len(), MAX_RULES),
            table("classes", classes, cells.classes()),
            table("interfaces", interfaces, cells.interfaces()),
            table("cells", interfaces.saturating_mul(classes), cells.cells()),
            table("cpu_sets", self.numbers.cpu_sets.len(), MAX_CPU_SETS),
        ];
        match self.datapath.used_sources() {
            Ok(sources) => tables.push(TableStatus {
                table: "sources".to_owned(),
                used_entries: sources.taken,
                limit_entries: sources.of,
            }),
            Err(error) => tracing::debug!("{}", with_causes(&error)),
        }
        Tables {
            version: DOCUMENT_VERSION,
            rule_memory: RuleMemory {
                used_bytes: self.memory.used(),
                limit_bytes: self.memory.budget(),
            },
            tables,
            moved_slots: self.moved_slots,
            flow_caches: self.flow_caches(),
        }
    }

    /// From when on the data path takes the controller to be silent.
    pub fn silent_from(&self) -> Nanoseconds {
        self.datapath.silent_from()
    }

    fn flow_caches(&self) -> Vec<FlowCacheStatus> {
        if self.flows == 0 {
            return Vec::new();
        }
        let gauges = self.datapath.flow_gauges().unwrap_or_else(|error| {
            tracing::debug!("{}", with_causes(&error));
            Vec::new()
        });
        let caches = (0..).zip(gauges).map(|(cpu, gauge)| FlowCacheStatus {
            cpu,
            limit_flows: self.flows,
            looked_up_packets: gauge.looked_up,
            missed_packets: gauge.missed,
            is_sampling: gauge.is_sampling != 0,
            windows: gauge.windows,
        });
        caches.collect()
    }
}

fn table(name: &str, used: usize, limit: u32) -> TableStatus {
    TableStatus {
        table: name.to_owned(),
        used_entries: u64::try_from(used).unwrap_or(u64::MAX),
        limit_entries: limit.into(),
    }
}
