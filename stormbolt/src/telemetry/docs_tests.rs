//! What operators read and import says what the code says.

use std::collections::BTreeSet;

use super::{Kind, catalogue};

const GUIDE: &str = include_str!("../../../docs/observability.md");
const DASHBOARD: &str = include_str!("../../../packaging/grafana/stormbolt.json");

/// The lines of the guide between two comments.
fn section(name: &str) -> String {
    let (_, rest) = GUIDE.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let (section, _) = rest.split_once(&format!("<!-- end of {name} -->")).unwrap();
    section.to_owned()
}

#[test]
fn the_guide_lists_the_metrics_that_there_are() {
    let mut expected = "| metric | kind | labels | says |\n|---|---|---|---|\n".to_owned();
    for metric in catalogue() {
        let (name, kind, help) = (metric.name, metric.kind, metric.help);
        let labels = metric.labels.join(", ");
        let row = format!("| `{name}` | {kind} | {labels} | {help} |\n");
        expected.push_str(&row);
    }
    assert_eq!(
        section("metrics"),
        expected,
        "docs/observability.md should have\n{expected}"
    );
}

#[test]
fn the_guide_lists_the_kinds_of_events_that_there_are() {
    let mut expected = "| kind | severity | says |\n|---|---|---|\n".to_owned();
    for kind in Kind::ALL {
        let (name, severity, help) = (kind.name(), kind.severity().name(), kind.help());
        let row = format!("| `{name}` | {severity} | {help} |\n");
        expected.push_str(&row);
    }
    assert_eq!(
        section("events"),
        expected,
        "docs/observability.md should have\n{expected}"
    );
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut queries = Vec::new();
    collect(&dashboard, &mut queries);
    assert!(queries.len() > 30, "{queries:?}");
    let known: BTreeSet<String> = catalogue().into_iter().map(|metric| metric.name).collect();
    for query in queries {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = query.split(|c| !is_word(c));
        let metrics: Vec<_> = words
            .filter(|word| word.starts_with("stormbolt_"))
            .collect();
        assert!(!metrics.is_empty(), "{query}");
        for metric in metrics {
            let name = metric.strip_suffix("_bucket").unwrap_or(metric);
            assert!(known.contains(name), "`{metric}` in `{query}`");
        }
    }
}

#[test]
fn every_panel_asks_the_data_source_that_is_chosen() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
}

/// All queries below a value.
fn collect(value: &serde_json::Value, queries: &mut Vec<String>) {
    if let Some(fields) = value.as_object() {
        for (key, value) in fields {
            let is_query = key == "expr" || key == "definition";
            queries.extend(value.as_str().filter(|_| is_query).map(str::to_owned));
            collect(value, queries);
        }
    }
    for value in value.as_array().into_iter().flatten() {
        collect(value, queries);
    }
}
