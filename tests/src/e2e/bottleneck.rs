//! A lab whose host is reached through a bottleneck that is not its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use stormbolt::lab::traffic::{TcpStreamOptions, TcpStreams, UdpRequestOptions, UdpRequests};
use stormbolt::lab::{Interface, Namespace, VethOptions, connect, veth};

use super::lab::{HOST, Lab, SENDERS};

/// The address of whoever is behind the bottleneck.
pub const FAR: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 2);
/// Where the requests that measure the delay go; answers come from here.
pub const ECHO_PORT: u16 = 7070;
const STREAM_PORT: u16 = 7001;

/// far - router - host; the senders of the lab are the router, and what leaves it for the host queues up
/// before the bottleneck.
#[derive(Debug)]
pub struct Bottleneck {
    /// Router and host.
    pub lab: Lab,
    /// Where traffic comes from.
    pub far: Namespace,
}

impl Bottleneck {
    /// Builds it.
    pub fn new() -> Self {
        let lab = Lab::new();
        let far = Namespace::new("far").unwrap();
        let (out, inner) =
            veth(&far, "out", &lab.senders, "inner", VethOptions::default()).unwrap();
        let address = |address: Ipv4Addr| [(IpAddr::from(address), 24)];
        connect(&out, &address(FAR), &inner, &address(ROUTER)).unwrap();
        lab.senders.sysctl("net.ipv4.ip_forward", "1").unwrap();
        route(&out, "10.9.0.0/24", ROUTER);
        route(&lab.eth0, "10.8.0.0/24", SENDERS.0);
        Self { lab, far }
    }

    /// Sets the rate of the bottleneck, whose queue holds so many bytes.
    pub fn set(&self, bits_per_second: u64, queue_bytes: u32) {
        let link = &self.lab.uplink;
        link.set_bottleneck(bits_per_second, queue_bytes).unwrap();
    }

    /// Streams from far to the host, as fast as they go.
    pub fn streams(&self, streams: usize) -> TcpStreams {
        let options = TcpStreamOptions {
            streams,
            ..TcpStreamOptions::new(
                SocketAddr::new(FAR.into(), 0),
                SocketAddr::new(HOST.0.into(), STREAM_PORT),
            )
        };
        TcpStreams::start(&self.far, &self.lab.host, &options).unwrap()
    }

    /// Requests from the host whose answers come through the bottleneck, 50 a second.
    pub fn requests(&self) -> UdpRequests {
        let options = UdpRequestOptions {
            per_second: 50,
            grace: Duration::from_secs(3),
            ..UdpRequestOptions::new(
                SocketAddr::new(HOST.0.into(), 0),
                SocketAddr::new(FAR.into(), ECHO_PORT),
            )
        };
        UdpRequests::start(&self.lab.host, &self.far, &options).unwrap()
    }
}

impl Default for Bottleneck {
    fn default() -> Self {
        Self::new()
    }
}

fn route(interface: &Interface, prefix: &str, gateway: Ipv4Addr) {
    let prefix = prefix.parse().unwrap();
    interface.add_route(prefix, Some(gateway.into())).unwrap();
}
