//! A family of metrics: what it is called, what it says, and where its values come from.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use stormbolt_control::units::BitsPerSecond;

use crate::telemetry::snapshot::Snapshot;

/// Samples of one metric that differ in their labels.
pub(super) struct Family {
    /// Without prefix, unit and suffix.
    name: &'static str,
    /// The unit, in which the name ends.
    unit: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
    samples: fn(&Snapshot, &mut Samples<'_>) -> fmt::Result,
}

/// What can be done with the values. OpenMetrics has further kinds, which the format before it does not know: the textfile
/// collector of the node exporter would refuse them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Where the samples of a family go.
pub(super) struct Samples<'e> {
    /// Taken by a histogram.
    encoder: Option<MetricEncoder<'e>>,
    kind: Kind,
    labels: &'static [&'static str],
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
}

type Collect = fn(&Snapshot, &mut Samples<'_>) -> fmt::Result;

/// A count that only grows, until what is counted begins anew.
pub(super) const fn counter(
    name: &'static str,
    unit: Option<&'static str>,
    labels: &'static [&'static str],
    help: &'static str,
    samples: Collect,
) -> Family {
    let kind = Kind::Counter;
    Family {
        name,
        unit,
        kind,
        labels,
        help,
        samples,
    }
}

/// A value that goes up and down.
pub(super) const fn gauge(
    name: &'static str,
    unit: Option<&'static str>,
    labels: &'static [&'static str],
    help: &'static str,
    samples: Collect,
) -> Family {
    Family {
        kind: Kind::Gauge,
        ..counter(name, unit, labels, help, samples)
    }
}

/// How often values were in which range.
pub(super) const fn histogram(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    samples: Collect,
) -> Family {
    Family {
        kind: Kind::Histogram,
        ..counter(name, Some(unit), &[], help, samples)
    }
}

impl Family {
    /// The name that queries have, but for the prefix.
    pub(super) fn sample_name(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}"));
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Gauge | Kind::Histogram => "",
        };
        format!("{}{}{suffix}", self.name, unit.unwrap_or_default())
    }

    /// Writes the family's description and samples.
    pub(super) fn encode(
        &self,
        snapshot: &Snapshot,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> fmt::Result {
        let unit = self.unit.map(|unit| Unit::Other(unit.to_owned()));
        let metric_type = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        let encoder =
            encoder.encode_descriptor(self.name, self.help, unit.as_ref(), metric_type)?;
        let mut samples = Samples {
            encoder: Some(encoder),
            kind: self.kind,
            labels: self.labels,
        };
        (self.samples)(snapshot, &mut samples)
    }
}

impl Kind {
    /// As the text format calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Samples<'_> {
    /// Adds the sample whose labels have these values, in the order of the family's.
    pub(super) fn add(&mut self, values: &[&str], value: impl Into<Value>) -> fmt::Result {
        let pairs: Vec<_> = self
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied())
            .collect();
        let (kind, value) = (self.kind, value.into());
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        if pairs.is_empty() {
            return write(encoder, kind, value);
        }
        write(&mut encoder.encode_family(&pairs)?, kind, value)
    }

    /// Adds all samples of a histogram without labels.
    pub(super) fn histogram(&mut self, histogram: &Histogram) -> fmt::Result {
        let encoder = self.encoder.take();
        encoder.map_or(Ok(()), |encoder| histogram.encode(encoder))
    }
}

fn write(encoder: &mut MetricEncoder<'_>, kind: Kind, value: Value) -> fmt::Result {
    const NONE: Option<&Exemplar<NoLabelSet, f64>> = None;
    match (kind, value) {
        (Kind::Counter, Value::Whole(value)) => encoder.encode_counter(&value, NONE),
        (Kind::Counter, Value::Real(value)) => encoder.encode_counter(&value, NONE),
        (_, Value::Whole(value)) => encoder.encode_gauge(&value),
        (_, Value::Real(value)) => encoder.encode_gauge(&value),
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

/// Prometheus has no bits: rates are bytes per second.
impl From<BitsPerSecond> for Value {
    fn from(rate: BitsPerSecond) -> Self {
        Self::Real(real(rate.0) / 8.0)
    }
}

/// So many thousandths, or millionths, of a second.
pub(super) fn seconds(count: u64, in_a_second: f64) -> Value {
    Value::Real(real(count) / in_a_second)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "values of metrics are doubles"
)]
fn real(number: u64) -> f64 {
    number as f64
}
