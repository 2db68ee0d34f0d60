//! `stormbolt show sources`

use super::Shown;
use crate::api::documents::Sources;
use crate::cli::format::{bytes, count, measured, seconds};
use crate::cli::output::Style;
use crate::cli::table::{Item, Table};

impl Shown for Sources {
    const PATH: &'static str = "/v1/sources";

    fn table(&self, style: Style) -> String {
        if self.classes.is_empty() {
            return "no class has a limit on each source (`per-source`)\n".to_owned();
        }
        let titles = [
            "class",
            "interface",
            ">each",
            ">refused",
            ">bytes",
            ">forgotten",
        ];
        let mut classes = Table::new(style, &titles);
        for class in &self.classes {
            let forgotten = count(class.displaced_sources);
            classes.row([
                class.class.as_str().into(),
                class.interface.as_str().into(),
                measured(class.limit_bits_per_second).into(),
                count(class.refused_packets).into(),
                bytes(class.refused_bytes).into(),
                if class.displaced_sources > 0 {
                    Item::Alarming(forgotten)
                } else {
                    forgotten.into()
                },
            ]);
        }
        if self.sources.is_empty() {
            return classes.render();
        }
        let titles = [
            "source",
            "class",
            "interface",
            ">refused",
            ">bytes",
            ">last",
        ];
        let mut sources = Table::new(style, &titles);
        for source in &self.sources {
            sources.row([
                source.source.as_str().into(),
                source.class.as_str().into(),
                source.interface.as_str().into(),
                count(source.refused_packets).into(),
                bytes(source.refused_bytes).into(),
                format!("{} ago", seconds(source.last_refused_seconds_ago)).into(),
            ]);
        }
        format!("{}\n{}", classes.render(), sources.render())
    }
}
