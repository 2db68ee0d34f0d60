//! Metrics in the OpenMetrics text format (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//!
//! Each family of metrics stands once, in [`daemon`], [`traffic`], [`sampled`] or [`tables`]: its name, unit, labels and help, and
//! beside them where its values come from. The exposition, the list in `docs/observability.md` and the check of the
//! dashboard are made of that.

mod daemon;
mod family;
mod sampled;
mod tables;
#[cfg(test)]
mod tests;
mod traffic;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use family::Family;

use super::snapshot::Snapshot;

/// What the names of all metrics begin with.
const PREFIX: &str = "stormbolt";

/// Media type of the exposition.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A metric as an operator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The name that queries have.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// All metrics, in the order of the exposition.
pub fn catalogue() -> Vec<Described> {
    let described = families().map(|family| Described {
        name: format!("{PREFIX}_{}", family.sample_name()),
        kind: family.kind.name(),
        labels: family.labels,
        help: family.help,
    });
    described.collect()
}

/// The exposition of a snapshot.
///
/// # Errors
///
/// None that a string could have.
pub fn openmetrics(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(snapshot));
    let mut exposition = String::new();
    text::encode(&mut exposition, &registry)?;
    Ok(exposition)
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        families().try_for_each(|family| family.encode(self, &mut encoder))
    }
}

fn families() -> impl Iterator<Item = &'static Family> {
    let parts = [
        daemon::FAMILIES,
        traffic::FAMILIES,
        sampled::FAMILIES,
        tables::FAMILIES,
    ];
    parts.into_iter().flatten()
}
