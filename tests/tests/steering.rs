//! Classes with a CPU set use all its CPUs, evenly, and their packets arrive whole.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use stormbolt::lab::require_root;
use stormbolt::lab::traffic::{Pace, UdpSender, UdpSenderOptions};
use stormbolt_tests::e2e::{Daemon, Family, HOST, Lab, policy, until, until_some};

const SPREAD_PORT: u16 = 7001;
const PLACED_PORT: u16 = 7002;

fn spread() -> String {
    policy(
        r#"[class.spread]
cpus = "0-1"

[class.placed]

[[rule]]
dst-port = 7001
class = "spread"

[default]
class = "placed"
"#,
    )
}

fn paced(port: u16, per_second: u64) -> UdpSenderOptions {
    UdpSenderOptions {
        payload_bytes: 100,
        pace: Pace::PerSecond(per_second),
        ..Lab::to_port(Family::V4, port)
    }
}

/// Packets per second that are steered to CPUs 0 and 1.
fn steered(daemon: &Daemon) -> [u64; 2] {
    let cpus = daemon.cpus();
    let of_cpu = |number| cpus.iter().find(|cpu| cpu.cpu == number);
    [0, 1].map(|number| of_cpu(number).map_or(0, |cpu| cpu.steered_packets_per_second))
}

#[test]
fn many_flows_of_a_class_use_all_its_cpus_and_all_arrive() {
    if !require_root("many_flows_of_a_class_use_all_its_cpus_and_all_arrive") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &spread());
    let receiver = lab.receive(Family::V4, &[SPREAD_PORT]);
    let options = UdpSenderOptions {
        source_ports: 128,
        pin: Some(0),
        ..paced(SPREAD_PORT, 5000)
    };
    let sender = lab.send_as(&options);

    until("both CPUs get flows", || {
        steered(&daemon).iter().all(|&rate| rate > 1000)
    });
    let slots: Vec<usize> = daemon.cpus().iter().map(|cpu| cpu.slots).collect();
    assert!(slots[0] > 0 && slots[1] > 0, "{slots:?}");
    assert_eq!(slots.iter().skip(2).sum::<usize>(), 0, "{slots:?}");
    until("enough has come", || sender.totals().sent_packets > 10_000);

    // All packets arrive on CPU 0: about half of them are for the other one.
    let sent = sender.finish().sent_packets;
    until("all packets are counted", || {
        daemon.class("spread").passed_packets == sent
    });
    let steered = daemon.outcome("class_steered");
    assert!(
        steered > sent / 4 && steered < sent / 4 * 3,
        "{steered} of {sent} steered"
    );
    until("all packets arrive", || {
        let port = receiver.counters()[0];
        port.packets + port.overflowed == sent
    });
}

#[test]
fn a_class_without_cpus_stays_where_it_arrives() {
    if !require_root("a_class_without_cpus_stays_where_it_arrives") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &spread());
    let receiver = lab.receive(Family::V4, &[PLACED_PORT]);
    let options = UdpSenderOptions {
        source_ports: 32,
        ..paced(PLACED_PORT, 4000)
    };
    let sender = lab.send_as(&options);
    until("enough has come", || sender.totals().sent_packets > 4000);
    let sent = sender.finish().sent_packets;

    until("all packets arrive", || {
        receiver.counters()[0].packets == sent
    });
    assert_eq!(daemon.outcome("class_steered"), 0);
    assert!(daemon.outcome("class_passed") >= sent);
}

#[test]
fn tcp_data_is_intact_behind_a_redirect_to_another_cpu() {
    const STREAMS: u8 = 16;
    const LENGTH: usize = 512 << 10;
    if !require_root("tcp_data_is_intact_behind_a_redirect_to_another_cpu") {
        return;
    }
    // Bytes that tell streams and positions apart: 251 is prime, so no segment repeats another.
    let data = |stream: u8| -> Vec<u8> {
        let ramp = (0..251_u8).cycle().skip(usize::from(stream));
        ramp.take(LENGTH).collect()
    };
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &spread());
    let listener = lab
        .host
        .run(|| TcpListener::bind((HOST.0, SPREAD_PORT)))
        .unwrap()
        .unwrap();
    let server = std::thread::spawn(move || -> std::io::Result<Vec<Vec<u8>>> {
        (0..STREAMS)
            .map(|_| {
                let (mut stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(Duration::from_secs(20)))?;
                let mut data = Vec::new();
                stream.read_to_end(&mut data).map(|_| data)
            })
            .collect()
    });
    for stream in 0..STREAMS {
        let connect = || TcpStream::connect((HOST.0, SPREAD_PORT));
        let mut client = lab.senders.run(connect).unwrap().unwrap();
        client
            .set_write_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        client.write_all(&data(stream)).unwrap();
    }

    let received = server.join().unwrap().unwrap();

    assert_eq!(received.len(), usize::from(STREAMS));
    for (stream, received) in (0..STREAMS).zip(received) {
        assert!(
            received == data(stream),
            "stream {stream}: {} bytes",
            received.len()
        );
    }
    assert!(daemon.outcome("class_steered") > 0, "{:?}", daemon.eth0());
    assert_eq!(daemon.class("spread").dropped_packets, 0);
}

/// Starts flows one by one, each slow enough that nothing is moved, until four of them are on the
/// same CPU, and returns their source ports.
fn four_flows_of_one_cpu(lab: &Lab, daemon: &Daemon) -> Vec<u16> {
    let mut flows = [Vec::new(), Vec::new()];
    for port in 21_000..21_200 {
        until("the last flow is forgotten", || steered(daemon) == [0, 0]);
        let flow = lab.send_as(&from_port(port, 400));
        let cpu = until_some("a flow is on a CPU", || match steered(daemon) {
            [first, 0] if first >= 200 => Some(0_usize),
            [0, second] if second >= 200 => Some(1),
            _ => None,
        });
        drop(flow);
        if let Some(flows) = flows.get_mut(cpu) {
            flows.push(port);
            if flows.len() == 4 {
                return std::mem::take(flows);
            }
        }
    }
    Vec::new()
}

fn from_port(port: u16, per_second: u64) -> UdpSenderOptions {
    let mut options = paced(SPREAD_PORT, per_second);
    options.source.set_port(port);
    options
}

#[test]
fn flows_that_crowd_one_cpu_are_spread_over_both() {
    if !require_root("flows_that_crowd_one_cpu_are_spread_over_both") {
        return;
    }
    let lab = Lab::new();
    let daemon = Daemon::start(&lab, &spread().replace("100ms", "50ms"));
    let _receiver = lab.receive(Family::V4, &[SPREAD_PORT]);
    let ports = four_flows_of_one_cpu(&lab, &daemon);
    assert_eq!(ports.len(), 4, "200 flows are all on one CPU each");

    let _flows: Vec<UdpSender> = ports
        .iter()
        .map(|&port| lab.send_as(&from_port(port, 2000)))
        .collect();

    until("two flows are on each CPU", || {
        let [first, second] = steered(&daemon);
        let all = first + second;
        all > 6000 && first > all * 2 / 5 && second > all * 2 / 5
    });
}
