//! `show classes`: what each class gets on each interface.

use super::Shown;
use crate::api::documents::Classes;
use crate::cli::format::{count, cpus, measured, share};
use crate::cli::output::Style;
use crate::cli::table::{Item, Table};

impl Shown for Classes {
    const PATH: &'static str = "/v1/classes";

    fn table(&self, style: Style) -> String {
        let has_groups = self.classes.iter().any(|class| !class.groups.is_empty());
        let groups: &[&str] = if has_groups { &["group"] } else { &[] };
        let titles = [
            "interface",
            ">prio",
            ">guarantee",
            ">ceil",
            ">rate",
            ">offered",
            ">passed",
            "of rate",
            ">dropped pkts",
        ];
        let is_ahead = self.classes.iter().any(|class| class.ahead_packets > 0);
        let ahead: &[&str] = if is_ahead {
            &[">ahead", ">marked"]
        } else {
            &[]
        };
        let titles = [&["class"], groups, &titles, ahead, &["cpus"]].concat();
        let mut table = Table::new(style, &titles);
        for class in &self.classes {
            let (rate, passed) = (class.rate_bits_per_second, class.passed_bits_per_second);
            let dropped = count(class.dropped_packets);
            let group = class.groups.join(" > ").into();
            let figures = [
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
            ];
            let ahead = [class.ahead_packets, class.marked_packets].map(|one| count(one).into());
            let ahead = ahead.into_iter().filter(|_| is_ahead);
            let group = has_groups.then_some(group);
            table.row(
                std::iter::once(class.name.as_str().into())
                    .chain(group)
                    .chain(figures)
                    .chain(ahead)
                    .chain([cpus(&class.cpus).into()]),
            );
        }
        table.render()
    }
}
