//! `stormbolt show flows`

use super::Shown;
use crate::api::documents::{FlowStatus, Flows, SamplingStatus};
use crate::cli::format::{count, end, measured, microseconds, per_second};
use crate::cli::output::Style;
use crate::cli::table::{Item, Table};
use stormbolt_control::units::BitsPerSecond;

impl Shown for Flows {
    const PATH: &'static str = "/v1/flows";

    fn table(&self, style: Style) -> String {
        if self.flows.is_empty() {
            return format!("no flow has been seen lately\n{}", sampled(&self.sampling));
        }
        let titles = [
            "interface",
            "source",
            "destination",
            "protocol",
            "class",
            ">offered",
            ">dropped",
            ">packets",
            ">round trip",
        ];
        let mut flows = Table::new(style, &titles);
        for flow in &self.flows {
            flows.row([
                flow.interface.as_str().into(),
                end(flow.source, flow.source_port).into(),
                end(flow.destination, flow.destination_port).into(),
                flow.protocol.as_str().into(),
                class(flow.class.as_deref(), &flow.outcome).into(),
                measured(flow.offered_bits_per_second).into(),
                dropped(flow.dropped_bits_per_second),
                per_second(flow.packets_per_second).into(),
                round_trip(flow).into(),
            ]);
        }
        let titles = [
            "interface",
            "source",
            "class",
            ">offered",
            ">dropped",
            ">packets",
        ];
        let mut sources = Table::new(style, &titles);
        for source in &self.sources {
            sources.row([
                source.interface.as_str().into(),
                source.source.to_string().into(),
                class(source.class.as_deref(), &source.outcome).into(),
                measured(source.offered_bits_per_second).into(),
                dropped(source.dropped_bits_per_second),
                per_second(source.packets_per_second).into(),
            ]);
        }
        format!(
            "{}\n{}\n{}",
            flows.render(),
            sources.render(),
            sampled(&self.sampling)
        )
    }
}

/// What is in no class ends by a rule or before there is one.
fn class(class: Option<&str>, outcome: &str) -> String {
    class.map_or_else(|| format!("({outcome})"), str::to_owned)
}

fn dropped(rate: BitsPerSecond) -> Item {
    if rate == BitsPerSecond::ZERO {
        "-".into()
    } else {
        Item::Alarming(measured(rate))
    }
}

/// The smoothed time and the shortest one.
fn round_trip(flow: &FlowStatus) -> String {
    let times = flow
        .round_trip_microseconds
        .zip(flow.least_round_trip_microseconds);
    times.map_or_else(
        || "-".to_owned(),
        |(smoothed, least)| format!("{} (least {})", microseconds(smoothed), microseconds(least)),
    )
}

fn sampled(sampling: &SamplingStatus) -> String {
    let packets = match sampling.one_packet_in {
        1 => "every packet".to_owned(),
        many => format!("one packet in {}", count(many.into())),
    };
    let connections = match sampling.one_connection_in {
        1 => "all TCP connections".to_owned(),
        many => format!("one TCP connection in {}", count(many.into())),
    };
    format!("estimated from {packets}; round trips from {connections}\n")
}
