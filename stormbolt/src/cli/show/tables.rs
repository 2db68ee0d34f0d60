//! `show tables`: how full the tables are.

use super::Shown;
use crate::cli::format::{bytes, count};
use crate::cli::output::Style;
use crate::cli::table::{Item, Table};
use crate::telemetry::documents::Tables;

/// Percent from which on somebody should look.
const NEARLY_FULL: u64 = 90;

impl Shown for Tables {
    const PATH: &'static str = "/v1/tables";

    fn table(&self, style: Style) -> String {
        let mut tables = Table::new(style, &["table", ">used", ">of", ">full"]);
        let memory = self.rule_memory;
        tables.row([
            "rule memory".into(),
            bytes(memory.used_bytes).into(),
            bytes(memory.limit_bytes).into(),
            full(memory.used_bytes, memory.limit_bytes),
        ]);
        for table in &self.tables {
            tables.row([
                table.table.replace('_', " ").into(),
                count(table.used_entries).into(),
                count(table.limit_entries).into(),
                full(table.used_entries, table.limit_entries),
            ]);
        }
        if self.flow_caches.is_empty() {
            return tables.render();
        }
        let titles = [">cpu", ">flows", ">looked up", ">not known", "flow cache"];
        let mut caches = Table::new(style, &titles);
        for cache in &self.flow_caches {
            caches.row([
                cache.cpu.to_string().into(),
                count(cache.limit_flows.into()).into(),
                count(cache.looked_up_packets.into()).into(),
                full(cache.missed_packets.into(), cache.looked_up_packets.into()),
                if cache.is_sampling {
                    Item::Alarming("few flows come again".to_owned())
                } else {
                    "in use".into()
                },
            ]);
        }
        format!("{}\n{}", tables.render(), caches.render())
    }
}

fn full(used: u64, limit: u64) -> Item {
    if limit == 0 {
        return "-".into();
    }
    let percent = u128::from(used) * 100 / u128::from(limit);
    let text = format!("{percent}%");
    if percent >= u128::from(NEARLY_FULL) {
        Item::Alarming(text)
    } else {
        text.into()
    }
}
