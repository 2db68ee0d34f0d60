//! What is known from sampled packets, and the packets themselves.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use ipnet::IpNet;
use serde::Deserialize;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::sample::Sampling;
use stormbolt_control::units::Nanoseconds;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body;
use super::captured::Scribe;
use super::documents::{
    CaptureCourse, CaptureLine, CaptureRequest, DOCUMENT_VERSION, FlowStatus, Flows,
    SamplingStatus, TalkerStatus,
};
use super::edit::Editor;
use super::problem::ApiError;
use super::server::Endless;
use crate::apply::{Named, Wanted};
use crate::config::words;
use crate::daemon::{Running, clock};
use crate::sampling::{Captured, Filter, Top, address, outcome};

/// Flows and sources that are shown if nobody says how many, and at most.
pub(super) const SHOWN: usize = 20;
const MAX_SHOWN: usize = 1_000;
/// How often it is said how far a capture is, which tells as well that there still is somebody.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// The largest body, in bytes.
const MAX_BODY: usize = 64 << 10;

/// The query of `GET /v1/flows`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FlowsOptions {
    /// So many flows, and so many sources: 20 if nothing is said, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Their routes with what the API's document says of them.
pub(super) fn documented() -> OpenApiRouter<Editor> {
    OpenApiRouter::new()
        .routes(routes!(get_flows))
        .routes(routes!(post_capture))
}

/// The flows and sources that send most, by sampled packets.
#[utoipa::path(
    get,
    path = "/v1/flows",
    params(FlowsOptions),
    responses((status = 200, description = "What is found.", body = Flows), ApiError)
)]
async fn get_flows(
    State(editor): State<Editor>,
    options: Result<Query<FlowsOptions>, QueryRejection>,
) -> Result<Json<Flows>, ApiError> {
    let refused = |message| ApiError::new(StatusCode::BAD_REQUEST, message);
    let Query(options) = options.map_err(|error| refused(error.body_text()))?;
    let limit = options.limit.unwrap_or(SHOWN);
    if !(1..=MAX_SHOWN).contains(&limit) {
        return Err(refused(format!("`limit` is from 1 to {MAX_SHOWN}")));
    }
    let found = editor
        .handle()
        .ask(move |running| flows(running, limit))
        .await?;
    Ok(Json(found))
}

/// What is known of those that send most.
pub(super) fn flows(running: &Running, limit: usize) -> Flows {
    let top = running.board().top(limit);
    let flows = top.flows.iter().map(|(_, talker)| talker.verdict);
    let sources = top.sources.iter().map(|(_, talker)| talker.verdict);
    let wanted = Wanted {
        classes: flows.chain(sources).collect(),
        rules: BTreeSet::new(),
    };
    described(&top, &running.machine().named(&wanted), clock::now())
}

fn described(top: &Top, named: &Named, now: Nanoseconds) -> Flows {
    let interface = |ifindex: u32| {
        let name = named.interfaces.get(&ifindex).cloned();
        name.unwrap_or_else(|| format!("interface {ifindex}"))
    };
    let outcome_name = |index| outcome(index).map_or("unknown", Outcome::name).to_owned();
    let ago = |at: Nanoseconds| now.since(at).0 / 1_000_000;
    let microseconds = |time: Nanoseconds| time.0 / 1_000;
    let flows = top.flows.iter().map(|(flow, talker)| FlowStatus {
        interface: interface(flow.ifindex),
        source: address(flow.source),
        source_port: flow.ports.map(|(source, _)| source),
        destination: address(flow.destination),
        destination_port: flow.ports.map(|(_, destination)| destination),
        protocol: words::write_protocol(flow.protocol),
        least_round_trip_microseconds: talker.round_trip.map(|trip| microseconds(trip.least)),
        round_trip_microseconds: talker.round_trip.map(|trip| microseconds(trip.smoothed)),
        round_trips: talker.round_trip.map_or(0, |trip| trip.count),
        class: named.classes.get(&talker.verdict).cloned(),
        outcome: outcome_name(talker.outcome),
        offered_bits_per_second: talker.offered,
        dropped_bits_per_second: talker.dropped,
        packets_per_second: talker.packets_per_1000_seconds / 1_000,
        last_seen_milliseconds_ago: ago(talker.last_seen),
    });
    let sources = top
        .sources
        .iter()
        .map(|((ifindex, source), talker)| TalkerStatus {
            interface: interface(*ifindex),
            source: address(*source),
            class: named.classes.get(&talker.verdict).cloned(),
            outcome: outcome_name(talker.outcome),
            offered_bits_per_second: talker.offered,
            dropped_bits_per_second: talker.dropped,
            packets_per_second: talker.packets_per_1000_seconds / 1_000,
            last_seen_milliseconds_ago: ago(talker.last_seen),
        });
    Flows {
        version: DOCUMENT_VERSION,
        sampling: sampling(top),
        flows: flows.collect(),
        sources: sources.collect(),
    }
}

fn sampling(top: &Top) -> SamplingStatus {
    let Sampling {
        packet_mask,
        flow_mask,
        ..
    } = top.sampling;
    SamplingStatus {
        one_packet_in: packet_mask / 2 + 1,
        one_connection_in: flow_mask.saturating_add(1),
        sampled_packets: top.counts.shown,
        no_room_packets: top.counts.no_room,
        over_limit_packets: top.counts.over_limit,
        round_trips: top.counts.round_trips,
    }
}

/// Packets as they arrive, with what became of them: a JSON document a line, until as many have come or so much time
/// has gone by as was asked for. Needs the right to change things, since packets show what others say.
#[utoipa::path(
    post,
    path = "/v1/capture",
    request_body = CaptureRequest,
    responses(
        (
            status = 200,
            description = "A `CaptureLine` on each line.",
            body = String,
            content_type = "application/x-ndjson"
        ),
        ApiError
    )
)]
async fn post_capture(State(editor): State<Editor>, body: Body) -> Result<Response, ApiError> {
    let refused = |message| ApiError::new(StatusCode::BAD_REQUEST, message);
    let text = body::text(body, MAX_BODY).await?;
    let request: CaptureRequest = serde_json::from_str(&text)
        .map_err(|error| refused(format!("the body is not a capture: {error}")))?;
    let filter = filter(&request).map_err(refused)?;
    let asked = request.clone();
    let started = editor.handle().ask(move |running| {
        let filter = with_numbers(filter, &asked, running)?;
        let captured = running
            .board()
            .capture(filter, asked.one_packet_in.unwrap_or(1));
        captured.ok_or_else(|| {
            let message = "there are as many captures as there may be: end one, or try again";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
        })
    });
    let capture = Capture {
        captured: started.await??,
        scribe: Scribe::new(editor),
        left: request.count.unwrap_or(u64::MAX),
        sent: 0,
        until: request
            .duration_milliseconds
            .and_then(|time| Instant::now().checked_add(Duration::from_millis(time))),
        told: Instant::now(),
    };
    let lines = unfold(Some(capture), |capture| async {
        let (line, capture) = capture?.next().await;
        Some((Ok::<_, Infallible>(Bytes::from(line)), capture))
    });
    let head = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((Extension(Endless), head, Body::from_stream(lines)).into_response())
}

/// What of the filter needs no names. The error says which field is wrong.
fn filter(request: &CaptureRequest) -> Result<Filter, String> {
    let net = |field: &str, text: &Option<String>| {
        let Some(text) = text else {
            return Ok(None);
        };
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let net = address.or_else(|_| text.parse::<IpNet>());
        net.map(Some)
            .map_err(|_| format!("`{field}`: `{text}` is neither an address nor a prefix"))
    };
    let outcome = request.outcome.as_ref().map(|name| {
        let found = Outcome::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| {
            let names = Outcome::ALL.map(Outcome::name).join(", ");
            format!("`outcome`: `{name}` is none of {names}")
        })
    });
    let protocol = request
        .protocol
        .as_ref()
        .map(|text| words::protocol(text).map_err(|problem| format!("`protocol`: {problem}")));
    if request.one_packet_in == Some(0) || request.count == Some(0) {
        return Err("`one_packet_in` and `count` are 1 at least".to_owned());
    }
    Ok(Filter {
        outcome: outcome.transpose()?,
        is_dropped: request.dropped,
        host: net("host", &request.host)?,
        source: net("src", &request.src)?,
        destination: net("dst", &request.dst)?,
        port: request.port,
        protocol: protocol.transpose()?,
        ..Filter::default()
    })
}

/// The filter with the numbers of what the request names.
fn with_numbers(
    mut filter: Filter,
    request: &CaptureRequest,
    running: &Running,
) -> Result<Filter, ApiError> {
    let unknown = |what: &str, name: &str| {
        let message = format!("there is no {what} `{name}` in the policy in force");
        ApiError::new(StatusCode::NOT_FOUND, message)
    };
    if let Some(name) = &request.class {
        let number = running.machine().class_number(name);
        filter.class = Some(number.ok_or_else(|| unknown("class", name))?);
    }
    if let Some(name) = &request.interface {
        let named = running.machine().named(&Wanted::default());
        let arrivals = named.interfaces.into_iter();
        let arrivals: Vec<u32> = arrivals
            .filter(|(_, interface)| interface == name)
            .map(|(ifindex, _)| ifindex)
            .collect();
        if arrivals.is_empty() {
            return Err(unknown("attached interface", name));
        }
        filter.arrivals = Some(arrivals);
    }
    Ok(filter)
}

/// A capture that goes on.
struct Capture {
    captured: Captured,
    scribe: Scribe,
    left: u64,
    sent: u64,
    until: Option<Instant>,
    /// When it was said last how far it is.
    told: Instant,
}

impl Capture {
    /// The next line, and what comes behind it.
    async fn next(mut self) -> (String, Option<Self>) {
        if self.left == 0 {
            return (self.course(Some("count")), None);
        }
        let journal = self.scribe.journal();
        let until = self.until;
        let time_is_up = async move {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let (captured, scribe) = (&mut self.captured, &mut self.scribe);
        let packet = async {
            match captured.next().await {
                None => Err("policy"),
                Some(sighting) => scribe.write(&sighting).await.ok_or("daemon"),
            }
        };
        // A packet that waits for its names, while the machine's thread is busy, is lost if something else comes first.
        let packet = tokio::select! {
            biased;
            () = journal.closed() => Err("daemon"),
            () = time_is_up => Err("duration"),
            () = tokio::time::sleep_until(self.told + TOLD_EVERY) => {
                self.told = Instant::now();
                return (self.course(None), Some(self));
            }
            packet = packet => packet,
        };
        match packet {
            Ok(packet) => {
                self.left -= 1;
                self.sent += 1;
                (line(&CaptureLine::Packet(Box::new(packet))), Some(self))
            }
            Err(ended_by) => (self.course(Some(ended_by)), None),
        }
    }

    fn course(&self, ended_by: Option<&str>) -> String {
        line(&CaptureLine::Course(CaptureCourse {
            captured_packets: self.sent,
            lost_packets: self.captured.lost(),
            not_shown_packets: self.captured.not_shown(),
            ended_by: ended_by.map(str::to_owned),
        }))
    }
}

fn line(line: &CaptureLine) -> String {
    // Nothing in it has a key that is not text.
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}
