//! `show status`: the daemon itself.

use super::Shown;
use crate::api::documents::Status;
use crate::cli::format;
use crate::cli::output::Style;
use crate::cli::table::printable;

impl Shown for Status {
    const PATH: &'static str = "/v1/status";

    fn table(&self, style: Style) -> String {
        let uptime = format::seconds(self.uptime_seconds);
        let policy = format!(
            "generation {} from {}: {}, {}, {}",
            self.generation,
            printable(&self.policy_source),
            format::counted(self.interface_count, "interface", "interfaces"),
            format::counted(self.class_count, "class", "classes"),
            format::counted(self.rule_count, "rule", "rules")
        );
        let ticks = format!(
            "{}, one every {} ms; the last took {} µs",
            self.ticks, self.interval_milliseconds, self.last_tick_microseconds
        );
        let mut text = format!(
            "daemon  stormbolt {}, process {}, up {uptime}\npolicy  {policy}\nticks   {ticks}\n",
            printable(&self.daemon_version),
            self.pid
        );
        for notice in &self.notices {
            text.extend([&style.warning("notice"), "  ", &printable(notice), "\n"]);
        }
        text
    }
}
