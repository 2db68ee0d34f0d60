//! `show sets`: how large the sets are, and which rules refer to them.

use super::Shown;
use crate::api::documents::Sets;
use crate::cli::output::Style;
use crate::cli::table::Table;

/// Rules that are named for one set.
const SHOWN: usize = 4;

impl Shown for Sets {
    const PATH: &'static str = "/v1/sets";

    fn table(&self, style: Style) -> String {
        let titles = ["set", ">IPv4 prefixes", ">IPv6 prefixes", "used by"];
        let mut table = Table::new(style, &titles);
        for set in &self.sets {
            table.row([
                set.name.as_str().into(),
                set.ipv4_prefixes.to_string().into(),
                set.ipv6_prefixes.to_string().into(),
                users(&set.rules).into(),
            ]);
        }
        table.render()
    }
}

fn users(rules: &[String]) -> String {
    if rules.is_empty() {
        return "-".to_owned();
    }
    let shown: Vec<&str> = rules.iter().take(SHOWN).map(String::as_str).collect();
    let more = rules.len().saturating_sub(SHOWN);
    if more > 0 {
        format!("{}, +{more}", shown.join(", "))
    } else {
        shown.join(", ")
    }
}
