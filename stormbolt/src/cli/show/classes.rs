//! `show classes`: what each class gets on each interface.

use super::Shown;
use crate::api::documents::Classes;
use crate::cli::format::{count, cpus, measured, share};
use crate::cli::output::Style;
use crate::cli::table::{Item, Table};

impl Shown for Classes {
    const PATH: &'static str = "/v1/classes";

    fn table(&self, style: Style) -> String {
        let titles = [
            "class",
            "interface",
            ">prio",
            ">guarantee",
            ">ceil",
            ">rate",
            ">offered",
            ">passed",
            "of rate",
            ">dropped pkts",
            "cpus",
        ];
        let mut table = Table::new(style, &titles);
        for class in &self.classes {
            let (rate, passed) = (class.rate_bits_per_second, class.passed_bits_per_second);
            let dropped = count(class.dropped_packets);
            table.row([
                class.name.as_str().into(),
                class.interface.as_str().into(),
                class.priority.to_string().into(),
                class.guarantee_bits_per_second.to_string().into(),
                class.ceil_bits_per_second.to_string().into(),
                measured(rate).into(),
                measured(class.offered_bits_per_second).into(),
                measured(passed).into(),
                share(passed, rate).into(),
                if class.dropped_packets > 0 {
                    Item::Alarming(dropped)
                } else {
                    dropped.into()
                },
                cpus(&class.cpus).into(),
            ]);
        }
        table.render()
    }
}
