//! `show interfaces`: what became of the frames that arrived.

use super::Shown;
use crate::api::documents::Interfaces;
use crate::cli::format::{bytes, count};
use crate::cli::output::Style;
use crate::cli::table::{Item, Table};

impl Shown for Interfaces {
    const PATH: &'static str = "/v1/interfaces";

    /// The interfaces, and below them what became of their frames.
    fn table(&self, style: Style) -> String {
        let titles = [
            "interface",
            "mode",
            ">capacity",
            ">received",
            ">bytes",
            ">dropped",
        ];
        let mut interfaces = Table::new(style, &titles);
        let mut outcomes = Table::new(
            style,
            &["interface", "outcome", "verdict", ">packets", ">bytes"],
        );
        for interface in &self.interfaces {
            let dropped = interface.outcomes.iter().filter(|outcome| outcome.dropped);
            interfaces.row([
                interface.name.as_str().into(),
                interface.mode.as_str().into(),
                interface.capacity_bits_per_second.to_string().into(),
                count(interface.received_packets).into(),
                bytes(interface.received_bytes).into(),
                count(dropped.map(|outcome| outcome.packets).sum()).into(),
            ]);
            for outcome in interface
                .outcomes
                .iter()
                .filter(|outcome| outcome.packets > 0)
            {
                outcomes.row([
                    interface.name.as_str().into(),
                    outcome.outcome.as_str().into(),
                    if outcome.dropped {
                        Item::Alarming("dropped".into())
                    } else {
                        "passed".into()
                    },
                    count(outcome.packets).into(),
                    bytes(outcome.bytes).into(),
                ]);
            }
        }
        format!("{}\n{}", interfaces.render(), outcomes.render())
    }
}
