//! The lab of the demo, and everything that runs in it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;

use super::daemon::Daemon;
use super::flood::FloodThread;
use super::policies::{self, BULK_PORT, CRITICAL_PORT, WEB_PORT};
use crate::lab::traffic::{
    Pace, TcpStreamOptions, TcpStreams, UdpReceiver, UdpRequestOptions, UdpRequests, UdpSender,
    UdpSenderOptions,
};
use crate::lab::{Namespace, VethOptions, Wakeful, connect, keep_to, veth};

pub(super) const SENDERS_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(super) const HOST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

/// The CPU that takes frames off the link. Like the interrupt of a network card it has that CPU to
/// itself, as far as the demo goes: senders, servers and the daemon keep to the others.
const RECEIVING_CPU: usize = 0;

/// Payload of a critical request, and what it is at layer 2.
pub(super) const REQUEST_BYTES: usize = 128;
/// Requests per second.
pub(super) const REQUESTS_PER_SECOND: u64 = 2000;
/// Streams of the web class and what each of them wants, in bit/s.
pub(super) const WEB_STREAMS: usize = 2;
pub(super) const WEB_BITS_PER_SECOND: u64 = 10_000_000;
/// What bulk sends while everybody fits.
pub(super) const MODEST_PAYLOAD: usize = 1000;
pub(super) const MODEST_PER_SECOND: u64 = 500;

/// The lab: senders and the host behind one link.
///
/// The fields are dropped in order: traffic first, then the daemon, then the namespaces.
pub(super) struct Scene {
    pub(super) requests: UdpRequests,
    pub(super) web: TcpStreams,
    pub(super) bulk: UdpReceiver,
    pub(super) modest: Option<UdpSender>,
    pub(super) flood: FloodThread,
    pub(super) daemon: Option<Daemon>,
    /// The policy in force.
    pub(super) policy: String,
    senders: Namespace,
    /// Held for its drop; where the kernel can't, more of the flood is lost before it is policed.
    _wakeful: Option<Wakeful>,
}

impl Scene {
    /// Builds the lab, starts the daemon and the traffic that every phase has.
    pub(super) fn build() -> anyhow::Result<Self> {
        let cpus = std::thread::available_parallelism()?.get();
        if cpus > 1 {
            keep_to(RECEIVING_CPU + 1..cpus).context("cannot keep off the receiving CPU")?;
        }
        let senders = Namespace::new("senders")?;
        let host = Namespace::new("host")?;
        // One queue, so that critical packets share it with the flood as they do on a network card.
        let options = VethOptions {
            queues: 1,
            ..VethOptions::default()
        };
        let (uplink, eth0) = veth(&senders, "uplink", &host, "eth0", options)?;
        connect(
            &uplink,
            &[(SENDERS_ADDRESS.into(), 24)],
            &eth0,
            &[(HOST_ADDRESS.into(), 24)],
        )?;
        eth0.receive_on(RECEIVING_CPU)?;
        let policy = policies::first(cpus);
        let daemon = Daemon::start(&host, &policy)?;
        let requests = UdpRequestOptions {
            payload_bytes: REQUEST_BYTES,
            per_second: REQUESTS_PER_SECOND,
            ..UdpRequestOptions::new(sender(), receiver(CRITICAL_PORT))
        };
        let web = TcpStreamOptions {
            streams: WEB_STREAMS,
            bits_per_second: Some(WEB_BITS_PER_SECOND),
            ..TcpStreamOptions::new(sender(), receiver(WEB_PORT))
        };
        Ok(Self {
            requests: UdpRequests::start(&senders, &host, &requests)
                .context("cannot start the critical requests")?,
            web: TcpStreams::start(&senders, &host, &web)
                .context("cannot start the web streams")?,
            bulk: UdpReceiver::start(&host, IpAddr::V4(HOST_ADDRESS), &[BULK_PORT], None)
                .context("cannot receive bulk traffic")?,
            modest: None,
            flood: FloodThread::start(&uplink, &eth0, cpus.saturating_sub(1))?,
            daemon: Some(daemon),
            policy,
            senders,
            _wakeful: Wakeful::ask().ok(),
        })
    }

    /// Starts the bulk traffic of the first phase, which fits.
    pub(super) fn start_modest_bulk(&mut self) -> anyhow::Result<()> {
        let options = UdpSenderOptions {
            payload_bytes: MODEST_PAYLOAD,
            pace: Pace::PerSecond(MODEST_PER_SECOND),
            ..UdpSenderOptions::new(sender(), receiver(BULK_PORT))
        };
        self.modest = Some(UdpSender::start(&self.senders, &options)?);
        Ok(())
    }
}

fn sender() -> SocketAddr {
    SocketAddr::new(SENDERS_ADDRESS.into(), 0)
}

fn receiver(port: u16) -> SocketAddr {
    SocketAddr::new(HOST_ADDRESS.into(), port)
}
