//! A capacity that follows its link: a bottleneck that the policy does not know, real TCP through it, and the
//! delay before and after.

use stormbolt::lab::clock::{SECOND_NS, now_ns, sleep_until};
use stormbolt::lab::require_root;
use stormbolt::lab::traffic::{TcpStreams, UdpRequests};
use stormbolt_tests::e2e::{Bottleneck, Daemon, ECHO_PORT, FAR, Lab, policy_with, until};

const MEGABIT: u64 = 1_000_000;
/// A fifth of a second at 40 Mbit/s.
const QUEUE_BYTES: u32 = 1_000_000;
const MILLISECOND_NS: u64 = 1_000_000;
const WINDOW_NS: u64 = 4 * SECOND_NS;
/// Windows until a capacity has settled: it climbs by a tenth a second, and the machine is shared.
const WINDOWS: u32 = 15;

fn policy(start: &str, probe: &str) -> String {
    let interface = format!(
        "capacity = \"{start}\"\ncapacity-min = \"5Mbit\"\ncapacity-max = \"300Mbit\"\n\
         probe = \"{probe}\"\nprobe-interval = \"50ms\"\n"
    );
    policy_with(
        &interface,
        &format!(
            r#"[class.answers]
priority = 0

[class.all]
priority = 3

[[rule]]
protocol = "icmp"
action = "pass"

[[rule]]
protocol = "udp"
src-port = {ECHO_PORT}
class = "answers"

[default]
class = "all"
"#
        ),
    )
}

/// What a while has brought.
#[derive(Debug)]
struct Window {
    median_ms: u64,
    received: u64,
    mean_capacity: u64,
}

/// Looks for a while; without a daemon there is no capacity.
fn look(daemon: Option<&Daemon>, streams: &TcpStreams, requests: &UdpRequests) -> Window {
    drop(requests.take_snapshot());
    let (start, bytes) = (now_ns(), streams.received_bytes());
    let (mut sum, mut count) = (0, 0);
    while now_ns() < start + WINDOW_NS {
        if let Some(daemon) = daemon {
            sum += daemon.eth0().capacity_bits_per_second.0;
            count += 1;
        }
        sleep_until(now_ns() + SECOND_NS / 10);
    }
    let bits = (streams.received_bytes() - bytes) * 8;
    let received = bits * 1_000 / ((now_ns() - start) / MILLISECOND_NS);
    let answered = requests.take_snapshot();
    let median_ns = answered.round_trip_percentile_ns(50.0);
    let window = Window {
        median_ms: median_ns.unwrap_or(u64::MAX) / MILLISECOND_NS,
        received,
        mean_capacity: sum / u64::max(count, 1),
    };
    eprintln!("{window:?}");
    window
}

#[test]
fn a_capacity_finds_the_rate_of_a_bottleneck_and_follows_it_and_the_queue_is_gone() {
    if !require_root(
        "a_capacity_finds_the_rate_of_a_bottleneck_and_follows_it_and_the_queue_is_gone",
    ) {
        return;
    }
    let bottleneck = Bottleneck::new();
    bottleneck.set(40 * MEGABIT, QUEUE_BYTES);
    let requests = bottleneck.requests();
    let streams = bottleneck.streams(4);
    sleep_until(now_ns() + 3 * SECOND_NS);
    let without = look(None, &streams, &requests);
    assert!(without.median_ms >= 60, "there is no queue: {without:?}");

    let daemon = Daemon::start(&bottleneck.lab, &policy("100Mbit", &FAR.to_string()));
    // The rate falls and rises; the queue keeps its depth, which is a longer time at a lower rate.
    for rate in [40 * MEGABIT, 20 * MEGABIT, 60 * MEGABIT] {
        bottleneck.set(rate, QUEUE_BYTES);
        let deep_ms = u64::from(QUEUE_BYTES) * 8_000 / rate;
        let is_settled = |window: &Window| {
            (rate * 80 / 100..rate * 115 / 100).contains(&window.mean_capacity)
                && window.median_ms < deep_ms / 3
                && window.received > rate / 2
        };
        let windows = (0..WINDOWS).map(|_| look(Some(&daemon), &streams, &requests));
        let mut seen = Vec::new();
        let is_found = windows.into_iter().any(|window| {
            seen.push(window);
            seen.last().is_some_and(is_settled)
        });
        assert!(is_found, "{rate}: {seen:#?} {:#?}", daemon.eth0());
    }
    let link = daemon.eth0().adaptive.unwrap();
    assert!(link.last_change.is_some() && link.probes[0].answered > 0);
    let table = daemon.cli(&["show", "interfaces"]).with_code(0).stdout;
    assert!(table.contains("queue delay"), "{table}");
}

#[test]
fn a_probe_that_never_answers_is_told_and_the_capacity_holds() {
    if !require_root("a_probe_that_never_answers_is_told_and_the_capacity_holds") {
        return;
    }
    let lab = Lab::new();
    // On the link, but nobody's.
    let daemon = Daemon::start(&lab, &policy("100Mbit", "10.9.0.77"));
    let notice = "interface eth0: probe 10.9.0.77 does not answer echo requests; the capacity holds \
                  at 100Mbit";
    until("the daemon tells it", || {
        daemon.status().notices.iter().any(|one| one == notice)
    });
    until("it is logged", || daemon.log().contains(notice));
    let eth0 = daemon.eth0();
    assert_eq!(eth0.capacity_bits_per_second.0, 100 * MEGABIT);
    let link = eth0.adaptive.unwrap();
    assert_eq!((link.state.as_str(), link.last_change), ("no-answer", None));
    assert_eq!(link.queue_delay_microseconds, None);
}
