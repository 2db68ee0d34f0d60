//! `show history`: the policies that were in force.

use super::Shown;
use crate::api::documents::{History, PastPolicy};
use crate::cli::format::seconds;
use crate::cli::output::Style;
use crate::cli::table::Table;

impl Shown for History {
    const PATH: &'static str = "/v1/history";

    fn table(&self, style: Style) -> String {
        let mut table = Table::new(style, &[">generation", ">ago", "state", "from"]);
        for policy in self.policies.iter().rev() {
            table.row([
                policy.generation.to_string().into(),
                seconds(policy.age_seconds).into(),
                policy.state.as_str().into(),
                source(policy).into(),
            ]);
        }
        table.render()
    }
}

fn source(policy: &PastPolicy) -> String {
    match policy.restored_generation {
        Some(generation) => format!("{}, as generation {generation}", policy.source),
        None => policy.source.clone(),
    }
}
