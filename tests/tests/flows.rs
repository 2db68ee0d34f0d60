//! Flows, round trips and captures of a running daemon.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use stormbolt::api::documents::{FlowStatus, Flows};
use stormbolt::lab::require_root;
use stormbolt_tests::e2e::{Daemon, Family, Finished, Lab, policy, stormbolt, until, until_some};

const PORT: u16 = 7001;
const CLASSES: &str = "[class.slow]\nceil = \"1Mbit\"\n\n[class.plain]\n\n\
    [[rule]]\nname = \"refused\"\ndst-port = 7009\naction = \"drop\"\n\n\
    [[rule]]\nname = \"held\"\ndst-port = 7001\nclass = \"slow\"\n\n\
    [default]\nclass = \"plain\"\n";

fn flow_to(daemon: &Daemon, port: u16) -> Option<FlowStatus> {
    let flows: Flows = daemon.client().get("/v1/flows").unwrap();
    let mut flows = flows.flows.into_iter();
    flows.find(|flow| flow.destination_port == Some(port))
}

#[test]
fn the_flows_that_send_most_are_shown_with_class_rate_and_drops() {
    if !require_root("the_flows_that_send_most_are_shown_with_class_rate_and_drops") {
        return;
    }
    let lab = Lab::quiet();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    // 1,042 bytes each: 8.336 Mbit/s, of which 1 Mbit/s may pass.
    let _sender = lab.send(Family::V4, PORT, 1_000, 1_000);
    let flow = until_some("the flow has its rate", || {
        let flow = flow_to(&daemon, PORT)?;
        let offered = flow.offered_bits_per_second.0;
        ((7_500_000..9_200_000).contains(&offered) && flow.dropped_bits_per_second.0 > offered / 2)
            .then_some(flow)
    });
    assert_eq!(flow.class.as_deref(), Some("slow"));
    assert_eq!(
        (flow.interface.as_str(), flow.protocol.as_str()),
        ("eth0", "udp")
    );
    assert_eq!(flow.source, Family::V4.sender());

    let shown = daemon.cli(&["show", "flows"]).with_code(0).stdout;
    let line = shown.lines().find(|line| line.contains(":7001"));
    assert!(line.is_some_and(|line| line.contains("slow")), "{shown}");
    assert!(shown.contains("estimated from every packet"), "{shown}");
    let sources = daemon.cli(&["show", "flows", "-o", "json"]).json();
    assert_eq!(sources["sources"][0]["source"], "10.9.0.1");
}

#[test]
fn under_a_flood_one_packet_in_many_tells_as_much() {
    if !require_root("under_a_flood_one_packet_in_many_tells_as_much") {
        return;
    }
    let lab = Lab::quiet();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    let _sender = lab.send(Family::V4, PORT, 100, 30_000);
    // 142 bytes each.
    let flow = until_some("the flow has its rate", || {
        let flow = flow_to(&daemon, PORT)?;
        let class = daemon.class("slow").offered_bits_per_second.0;
        let offered = flow.offered_bits_per_second.0;
        (class > 10_000_000 && offered.abs_diff(class) < class / 5).then_some(flow)
    });
    assert_eq!(flow.class.as_deref(), Some("slow"));
    let flows: Flows = daemon.client().get("/v1/flows").unwrap();
    assert!(flows.sampling.one_packet_in > 1, "{:?}", flows.sampling);
}

/// Opens a connection to the host and says a word, which comes back.
fn talk(lab: &Lab, port: u16) {
    let address = SocketAddr::new(Family::V4.host(), port);
    let listener = lab
        .host
        .run(|| TcpListener::bind(address))
        .unwrap()
        .unwrap();
    let mut near = lab
        .senders
        .run(|| TcpStream::connect_timeout(&address, Duration::from_secs(20)))
        .unwrap()
        .unwrap();
    let (mut far, _) = listener.accept().unwrap();
    near.write_all(b"word").unwrap();
    let mut word = [0; 4];
    far.read_exact(&mut word).unwrap();
    far.write_all(&word).unwrap();
    near.read_exact(&mut word).unwrap();
}

#[test]
fn a_round_trip_to_whoever_opens_a_connection_is_measured() {
    if !require_root("a_round_trip_to_whoever_opens_a_connection_is_measured") {
        return;
    }
    let lab = Lab::quiet();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    talk(&lab, 7_100);
    let near = until_some("a round trip", || {
        flow_to(&daemon, 7_100)?.least_round_trip_microseconds
    });

    // Now what the senders send waits behind 125 kB at 4 Mbit/s: a quarter of a second.
    lab.uplink.set_bottleneck(4_000_000, 125_000).unwrap();
    let _sender = lab.send(Family::V4, 7_102, 1_000, 1_000);
    let far = until_some("a round trip behind a queue", || {
        talk(&lab, 7_101);
        let trip = flow_to(&daemon, 7_101)?.least_round_trip_microseconds?;
        (trip > 100_000).then_some(trip)
    });
    assert!(near < far && far < 5_000_000, "{near} and {far} µs");
    let metrics = daemon.client().text("/metrics").unwrap();
    let counted = metrics.lines().find_map(|line| {
        line.strip_prefix("stormbolt_class_tcp_round_trips_total{class=\"plain\"} ")
    });
    assert!(counted.is_some_and(|count| count.parse::<u64>().unwrap() >= 2));
}

fn capture(daemon: &Daemon, arguments: &[&str]) -> Finished {
    daemon.cli(&[&["capture"], arguments].concat())
}

#[test]
fn captured_packets_come_with_class_rule_and_reason() {
    if !require_root("captured_packets_come_with_class_rule_and_reason") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    let _held = lab.send(Family::V4, PORT, 1_000, 500);
    let _refused = lab.send(Family::V6, 7_009, 100, 100);
    let _plain = lab.send(Family::V4, 7_003, 100, 100);

    let held = capture(&daemon, &["--outcome", "over_rate", "-c", "20"]).with_code(0);
    assert_eq!(held.stdout.lines().count(), 20);
    for line in held.stdout.lines() {
        let end = "> 10.9.0.2:7001 udp, 1042 bytes, slow by held: over_rate";
        assert!(line.ends_with(end), "{line}");
    }
    assert!(held.stderr.contains("20 packets captured"), "{held:?}");

    let some = [
        "--host",
        "fd00:9::/64",
        "--dropped",
        "-p",
        "udp",
        "-c",
        "3",
        "-o",
        "json",
    ];
    let refused = capture(&daemon, &some).with_code(0);
    for line in refused.stdout.lines() {
        let packet: Value = serde_json::from_str(line).unwrap();
        assert_eq!(packet["rule"], "refused");
        assert_eq!(packet["outcome"], "rule_dropped");
        assert_eq!(packet["ip"]["destination_port"], 7_009);
    }
    let passed = capture(
        &daemon,
        &["--class", "plain", "--passed", "--port", "7003", "-c", "2"],
    );
    assert!(
        passed
            .with_code(0)
            .stdout
            .contains("plain by default: class_passed")
    );
    let nothing = capture(&daemon, &["--port", "9", "--duration", "300ms"]).with_code(0);
    assert_eq!(nothing.stdout, "");

    for (arguments, message) in [
        (["--class", "gold"], "there is no class `gold`"),
        (["--interface", "eth7"], "no attached interface `eth7`"),
        (["--host", "somewhere"], "neither an address nor a prefix"),
        (["--outcome", "lost"], "`lost` is none of not_ip,"),
        (["--protocol", "tpc"], "`protocol`:"),
    ] {
        let refused = capture(&daemon, &arguments).with_code(1);
        assert!(refused.stderr.contains(message), "{refused:?}");
    }
}

#[test]
fn a_capture_file_is_read_by_others_and_ctrl_c_ends_it_well() {
    if !require_root("a_capture_file_is_read_by_others_and_ctrl_c_ends_it_well") {
        return;
    }
    let lab = Lab::quiet();
    let daemon = Daemon::start(&lab, &policy(CLASSES));
    let _sender = lab.send(Family::V4, PORT, 1_000, 500);
    let file = daemon.folder().join("dropped.pcapng");
    let mut capture = std::process::Command::new(stormbolt())
        .arg("--socket")
        .arg(daemon.socket())
        .args(["capture", "--dropped", "-w"])
        .arg(&file)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    until("the file grows", || {
        std::fs::metadata(&file).is_ok_and(|file| file.len() > 100_000)
    });
    let pid = nix::unistd::Pid::from_raw(i32::try_from(capture.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGINT).unwrap();
    assert_eq!(capture.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    capture
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(said.contains("packets captured"), "{said}");

    let bytes = std::fs::read(&file).unwrap();
    let mut reader = pcap_file::pcapng::PcapNgReader::new(&bytes[..]).unwrap();
    let mut packets = 0;
    while let Some(block) = reader.next_block() {
        if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.unwrap() {
            assert_eq!((packet.original_len, packet.data.len()), (1_042, 256));
            let comment = format!("{:?}", packet.options);
            assert!(comment.contains("XDP_DROP outcome=over_rate"), "{comment}");
            packets += 1;
        }
    }
    assert!(packets > 100);
}

#[test]
fn a_capture_ends_when_the_daemon_does() {
    if !require_root("a_capture_ends_when_the_daemon_does") {
        return;
    }
    let lab = Lab::quiet();
    let mut daemon = Daemon::start(&lab, &policy(CLASSES));
    let capture = std::process::Command::new(stormbolt())
        .arg("--socket")
        .arg(daemon.socket())
        .args(["capture", "--port", "9"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    until("it captures", || {
        let flows: Flows = daemon.client().get("/v1/flows").unwrap();
        flows.version == 1
    });
    std::thread::sleep(Duration::from_millis(500));
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
    let ended = capture.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("the daemon has ended the capture"), "{said}");
}
