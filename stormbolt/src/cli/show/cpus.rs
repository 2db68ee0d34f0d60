//! `show cpus`: what the CPUs receive and what is steered to them.

use super::Shown;
use crate::api::documents::Cpus;
use crate::cli::format::{count, per_second};
use crate::cli::output::Style;
use crate::cli::table::Table;

impl Shown for Cpus {
    const PATH: &'static str = "/v1/cpus";

    fn table(&self, style: Style) -> String {
        let titles = [">cpu", ">received", ">arriving", ">slots", ">steered to it"];
        let mut table = Table::new(style, &titles);
        for cpu in &self.cpus {
            table.row([
                cpu.cpu.to_string().into(),
                count(cpu.received_packets).into(),
                per_second(cpu.received_packets_per_second).into(),
                cpu.slots.to_string().into(),
                per_second(cpu.steered_packets_per_second).into(),
            ]);
        }
        table.render()
    }
}
