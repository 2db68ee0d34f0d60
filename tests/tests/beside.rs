//! What a download leaves to other packets of its class.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use stormbolt::lab::require_root;
use stormbolt::lab::traffic::{TcpStreamOptions, TcpStreams};
use stormbolt_tests::e2e::{Daemon, Family, Lab, policy};

const TCP_PORT: u16 = 5001;
const UDP_PORT: u16 = 7001;
const BITS_PER_SECOND: u64 = 10_000_000;
const PAYLOAD: usize = 958;
const SETTLING: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(3);

#[test]
fn a_download_leaves_udp_of_its_class_its_part() {
    if !require_root("a_download_leaves_udp_of_its_class_its_part") {
        return;
    }
    let lab = Lab::new();
    let rules = "[class.all]\nrate = \"10Mbit\"\nceil = \"10Mbit\"\nburst = \"10ms\"\n\n\
                 [default]\nclass = \"all\"\n";
    let _daemon = Daemon::start(&lab, &policy(rules));
    let receiver = lab.receive(Family::V4, &[UDP_PORT]);
    let options = TcpStreamOptions::new(
        SocketAddr::new(Family::V4.sender(), 0),
        SocketAddr::new(Family::V4.host(), TCP_PORT),
    );
    let stream = TcpStreams::start(&lab.senders, &lab.host, &options).expect("a stream starts");
    sleep(SETTLING);
    let before = stream.received_bytes();
    let tenth = BITS_PER_SECOND / 10 / (Family::V4.layer2_bytes(PAYLOAD) * 8);
    let sender = lab.send(Family::V4, UDP_PORT, PAYLOAD, tenth);
    sleep(MEASURED);
    let sent = sender.finish().sent_packets;
    let download = stream.received_bytes() - before;
    let arrived: u64 = receiver.finish().iter().map(|port| port.packets).sum();
    // It had nothing of it when the download came first with all that it sent again.
    assert!(arrived * 100 >= sent * 95, "{arrived} of {sent} arrived");
    let rate = BITS_PER_SECOND / 8 * MEASURED.as_secs();
    assert!(
        download * 2 >= rate,
        "a download of {download} of {rate} bytes"
    );
}
