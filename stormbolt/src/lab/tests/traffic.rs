//! Traffic between two namespaces: it arrives, and what does not is counted.

use super::*;
use crate::lab::require_root;
use crate::lab::traffic::{
    Pace, TcpRequestOptions, TcpRequests, TcpStreamOptions, TcpStreams, UdpReceiver,
    UdpRequestOptions, UdpRequests, UdpSender, UdpSenderOptions, packets_per_second,
};

#[test]
fn every_request_is_answered_over_ipv4_and_ipv6() {
    if !require_root("every_request_is_answered_over_ipv4_and_ipv6") {
        return;
    }
    let pair = pair();
    for (client, server) in [(LEFT_V4, RIGHT_V4), (LEFT_V6, RIGHT_V6)] {
        let mut options = UdpRequestOptions::new(any_port(client), SocketAddr::new(server, 7));
        // Time for a busy machine to schedule three threads, at a pace that overflows no queue.
        options.per_second = 500;
        options.grace = Duration::from_secs(20);
        let requests = UdpRequests::start(&pair.left, &pair.right, &options).unwrap();
        eventually("replies", || requests.totals().replied >= 100);
        let first = requests.take_snapshot();
        eventually("more replies", || {
            requests.totals().replied >= first.sent + 100
        });
        let last = requests.finish();
        for phase in [first, last] {
            assert!(phase.sent >= 100, "{phase:?}");
            assert_eq!(
                (phase.received, phase.replied, phase.lost()),
                (phase.sent, phase.sent, 0)
            );
            assert_eq!(phase.round_trip_ns.len(), phase.sent);
            assert!(phase.round_trip_percentile_ns(50.0).unwrap() > 1000);
        }
    }
}

#[test]
fn requests_without_a_server_are_lost_in_their_own_phase_only() {
    if !require_root("requests_without_a_server_are_lost_in_their_own_phase_only") {
        return;
    }
    let pair = pair();
    let options = UdpRequestOptions::new(any_port(LEFT_V4), SocketAddr::new(RIGHT_V4, 7));
    let mut requests = UdpRequests::start(&pair.left, &pair.right, &options).unwrap();
    eventually("replies", || requests.totals().replied >= 50);
    requests.stop_server();
    let served = requests.mark();
    let sent = requests.totals().sent;
    eventually("requests", || requests.totals().sent >= sent + 50);
    let unserved = requests.mark();
    let (served, unserved) = (requests.collect(served), requests.collect(unserved));
    assert!(served.replied >= 50, "{served:?}");
    assert!(unserved.sent >= 50, "{unserved:?}");
    assert_eq!((unserved.replied, unserved.received), (0, 0));
    assert_eq!(unserved.lost_on_the_way(), unserved.sent);
    assert_eq!(unserved.round_trip_percentile_ns(99.0), None);
}

#[test]
fn paced_and_unpaced_streams_deliver_what_they_send() {
    if !require_root("paced_and_unpaced_streams_deliver_what_they_send") {
        return;
    }
    let pair = pair();
    for bits_per_second in [None, Some(800_000), Some(50_000_000)] {
        for (client, server) in [(LEFT_V4, RIGHT_V4), (LEFT_V6, RIGHT_V6)] {
            let mut options = TcpStreamOptions::new(any_port(client), SocketAddr::new(server, 80));
            options.streams = 3;
            options.bits_per_second = bits_per_second;
            options.congestion_control = Some("reno".to_owned());
            let streams = TcpStreams::start(&pair.left, &pair.right, &options).unwrap();
            eventually("data on every stream", || {
                streams
                    .streams()
                    .iter()
                    .all(|stream| stream.received > 10_000)
            });
            let end = streams.finish();
            assert_eq!(end.len(), 3);
            assert!(
                end.iter().all(|s| !s.broken && s.received <= s.written),
                "{end:?}"
            );
        }
    }
}

#[test]
fn paced_stream_never_exceeds_its_rate() {
    if !require_root("paced_stream_never_exceeds_its_rate") {
        return;
    }
    let pair = pair();
    let mut options = TcpStreamOptions::new(any_port(LEFT_V4), SocketAddr::new(RIGHT_V4, 80));
    options.bits_per_second = Some(8_000_000);
    let before_ns = now_ns();
    let streams = TcpStreams::start(&pair.left, &pair.right, &options).unwrap();
    eventually("a quarter of a second of data", || {
        streams.received_bytes() > 250_000
    });
    let sent: u64 = streams.finish().iter().map(|stream| stream.written).sum();
    let elapsed_ns = now_ns() - before_ns;
    // One byte per microsecond, and the one that is due at the start.
    assert!(
        sent <= elapsed_ns / 1000 + 1,
        "{sent} bytes in {elapsed_ns} ns"
    );
}

#[test]
fn unknown_congestion_control_is_refused_by_name() {
    if !require_root("unknown_congestion_control_is_refused_by_name") {
        return;
    }
    let pair = pair();
    let mut options = TcpStreamOptions::new(any_port(LEFT_V4), SocketAddr::new(RIGHT_V4, 80));
    options.congestion_control = Some("no-such".to_owned());
    let error = TcpStreams::start(&pair.left, &pair.right, &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use the congestion control `no-such`"
    );
}

#[test]
fn tcp_requests_are_answered_and_connect_again_after_an_outage() {
    if !require_root("tcp_requests_are_answered_and_connect_again_after_an_outage") {
        return;
    }
    let pair = pair();
    let mut options = TcpRequestOptions::new(any_port(LEFT_V4), SocketAddr::new(RIGHT_V4, 80));
    options.connections = 2;
    options.timeout = Duration::from_millis(300);
    let requests = TcpRequests::start(&pair.left, &pair.right, &options).unwrap();
    eventually("replies", || requests.totals().replied >= 50);
    let before = requests.take_snapshot();
    assert_eq!(before.round_trip_ns.len(), before.replied);
    assert!(
        before.replied >= 50 && before.received >= before.replied,
        "{before:?}"
    );

    pair.right_end.set_down().unwrap();
    let broken = requests.totals().broken_connections;
    eventually("broken connections", || {
        requests.totals().broken_connections >= broken + 2
    });
    pair.right_end.set_up().unwrap();
    // Taking the link down has removed the permanent entry as well.
    pair.right_end
        .add_neighbour(LEFT_V4, pair.left_end.mac())
        .unwrap();
    let replied = requests.totals().replied;
    eventually("replies again", || requests.totals().replied > replied + 20);
    let after = requests.finish();
    assert!(
        after.broken_connections >= 2 && after.replied > 20,
        "{after:?}"
    );
}

#[test]
fn receiver_accounts_for_every_packet_by_port() {
    if !require_root("receiver_accounts_for_every_packet_by_port") {
        return;
    }
    let pair = pair();
    let receiver = UdpReceiver::start(&pair.right, RIGHT_V4, &[9001, 9002], None).unwrap();
    let mut options = UdpSenderOptions::new(any_port(LEFT_V4), SocketAddr::new(RIGHT_V4, 9002));
    options.payload_bytes = 100;
    options.source_ports = 4;
    for pace in [Pace::PerSecond(20_000), Pace::Unlimited] {
        options.pace = pace;
        let (before, dropped_before) = (receiver.counters(), dropped(&pair));
        let sender = UdpSender::start(&pair.left, &options).unwrap();
        eventually("packets", || sender.totals().sent_packets > 2000);
        let sent = sender.finish();
        assert_eq!(sent.errors, 0);
        eventually("all packets", || {
            let now = receiver.counters();
            let arrived = now[1].packets + now[1].overflowed;
            let arrived = arrived - before[1].packets - before[1].overflowed;
            assert!(now[0].packets == 0 && arrived <= sent.sent_packets);
            // The link's own queue of 256 frames overflows when the machine is busy.
            arrived + dropped(&pair) - dropped_before >= sent.sent_packets
        });
    }
    let [_, counters] = receiver.finish()[..] else {
        panic!("two ports")
    };
    assert_eq!(counters.payload_bytes, counters.packets * 100);
    assert_eq!(counters.layer2_bytes(), counters.packets * 142);
}

fn dropped(pair: &Pair) -> u64 {
    let (left, right) = (
        pair.left_end.counters().unwrap(),
        pair.right_end.counters().unwrap(),
    );
    left.sent_dropped + right.received_dropped
}

#[test]
fn paced_sender_never_exceeds_its_rate() {
    if !require_root("paced_sender_never_exceeds_its_rate") {
        return;
    }
    let pair = pair();
    let mut options = UdpSenderOptions::new(any_port(LEFT_V4), SocketAddr::new(RIGHT_V4, 9002));
    let rate = packets_per_second(8_000_000, 958);
    assert_eq!(rate, 1000);
    options.payload_bytes = 958;
    options.pace = Pace::PerSecond(rate);
    let before_ns = now_ns();
    let sender = UdpSender::start(&pair.left, &options).unwrap();
    pause(Duration::from_millis(300));
    let sent = sender.finish();
    let scheduled = (now_ns() - before_ns) / MILLISECOND_NS + 1;
    assert!(sent.sent_packets > 0);
    assert!(
        sent.sent_packets + sent.skipped <= scheduled,
        "{sent:?} of {scheduled}"
    );
}

#[test]
fn a_cpu_that_does_not_exist_is_an_error() {
    if !require_root("a_cpu_that_does_not_exist_is_an_error") {
        return;
    }
    let pair = pair();
    assert!(UdpReceiver::start(&pair.right, RIGHT_V4, &[9001], Some(0)).is_ok());
    let error = UdpReceiver::start(&pair.right, RIGHT_V4, &[9001], Some(1_000_000)).unwrap_err();
    assert!(error.to_string().contains("`right`"), "{error}");
}
