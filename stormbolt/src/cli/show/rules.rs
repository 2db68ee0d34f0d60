//! `show rules`: the rules in order, with their hits.

use super::Shown;
use crate::api::documents::{BUILT_IN, Rules};
use crate::cli::format::{bytes, count};
use crate::cli::output::Style;
use crate::cli::table::Table;

impl Shown for Rules {
    const PATH: &'static str = "/v1/rules";

    fn table(&self, style: Style) -> String {
        let titles = [">#", "rule", "matches", "action", ">packets", ">bytes"];
        let mut table = Table::new(style, &titles);
        for rule in self.built_in.iter().chain(&self.rules) {
            let position = match rule.position {
                BUILT_IN => "-".to_owned(),
                position => position.to_string(),
            };
            table.row([
                position.into(),
                rule.name.as_str().into(),
                rule.matches.as_str().into(),
                rule.action.as_str().into(),
                count(rule.packets).into(),
                bytes(rule.bytes).into(),
            ]);
        }
        table.render()
    }
}
