//! The lab: senders and a host on one link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::tables::TABLE_SIZES;
use stormbolt::datapath::{Attachment, Datapath, DatapathError};
use stormbolt::lab::traffic::{Pace, UdpReceiver, UdpSender, UdpSenderOptions};
use stormbolt::lab::{Interface, Namespace, VethOptions, connect, veth};
use stormbolt_control::policy::AttachMode;

/// The senders' addresses.
pub const SENDERS: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(10, 9, 0, 1),
    Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 1),
);
/// The host's addresses.
pub const HOST: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(10, 9, 0, 2),
    Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 2),
);

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The senders' address.
    pub fn sender(self) -> IpAddr {
        self.of(SENDERS)
    }

    /// The host's address.
    pub fn host(self) -> IpAddr {
        self.of(HOST)
    }

    /// Bytes at layer 2, without FCS, of a UDP packet with a payload.
    pub fn layer2_bytes(self, payload: usize) -> u64 {
        let headers = match self {
            Self::V4 => 14 + 20 + 8,
            Self::V6 => 14 + 40 + 8,
        };
        headers + u64::try_from(payload).unwrap()
    }

    fn of(self, (v4, v6): (Ipv4Addr, Ipv6Addr)) -> IpAddr {
        match self {
            Self::V4 => v4.into(),
            Self::V6 => v6.into(),
        }
    }
}

/// Two namespaces and a link with two queues, `uplink` to `eth0`. Everything is gone when dropped.
#[derive(Debug)]
pub struct Lab {
    /// The senders' end of the link.
    pub uplink: Interface,
    /// The host's end.
    pub eth0: Interface,
    /// Where traffic comes from.
    pub senders: Namespace,
    /// Where the daemon runs and traffic goes.
    pub host: Namespace,
}

impl Lab {
    /// Builds it, with IPv4 and IPv6.
    pub fn new() -> Self {
        let senders = Namespace::new("senders").unwrap();
        let host = Namespace::new("host").unwrap();
        let (uplink, eth0) = link(&senders, &host, VethOptions::default());
        Self {
            uplink,
            eth0,
            senders,
            host,
        }
    }

    /// A lab in which nobody sends anything of their own accord.
    pub fn quiet() -> Self {
        let lab = Self::new();
        for namespace in [&lab.senders, &lab.host] {
            namespace
                .sysctl("net.ipv6.conf.all.disable_ipv6", "1")
                .unwrap();
        }
        lab
    }

    /// Makes the link anew after it was removed, with the same names and addresses.
    pub fn link_again(&mut self) {
        self.link_again_with_mtu(VethOptions::default().mtu);
    }

    /// The same for IP packets of up to `mtu` bytes.
    pub fn link_again_with_mtu(&mut self, mtu: u32) {
        let options = VethOptions {
            mtu,
            ..VethOptions::default()
        };
        (self.uplink, self.eth0) = link(&self.senders, &self.host, options);
    }

    /// Sends UDP packets with `payload` bytes at a pace to `port` of the host, from any port.
    pub fn send(&self, family: Family, port: u16, payload: usize, per_second: u64) -> UdpSender {
        self.send_as(&UdpSenderOptions {
            payload_bytes: payload,
            pace: Pace::PerSecond(per_second),
            ..Self::to_port(family, port)
        })
    }

    /// Sends what the options say.
    pub fn send_as(&self, options: &UdpSenderOptions) -> UdpSender {
        UdpSender::start(&self.senders, options).unwrap()
    }

    /// Options of a sender to `port` of the host.
    pub fn to_port(family: Family, port: u16) -> UdpSenderOptions {
        let source = SocketAddr::new(family.sender(), 0);
        UdpSenderOptions::new(source, SocketAddr::new(family.host(), port))
    }

    /// Receives UDP on the host.
    pub fn receive(&self, family: Family, ports: &[u16]) -> UdpReceiver {
        UdpReceiver::start(&self.host, family.host(), ports, None).unwrap()
    }

    /// Loads a program of the test's own and attaches it to the host's end, natively.
    ///
    /// # Errors
    ///
    /// Another program is there already.
    pub fn attach_another_program(&self) -> Result<(Datapath, Attachment), DatapathError> {
        let mut datapath = Datapath::load(1, TABLE_SIZES).unwrap();
        let attachment = self
            .eth0
            .namespace()
            .run(|| datapath.attach(self.eth0.name(), AttachMode::Native))
            .unwrap()?;
        Ok((datapath, attachment))
    }

    /// Whether an XDP program is attached to the host's end.
    pub fn is_attached(&self) -> bool {
        match self.attach_another_program() {
            Ok(_) => false,
            Err(DatapathError::Occupied { .. }) => true,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

fn link(senders: &Namespace, host: &Namespace, options: VethOptions) -> (Interface, Interface) {
    let (uplink, eth0) = veth(senders, "uplink", host, "eth0", options).unwrap();
    let addresses = |(v4, v6): (Ipv4Addr, Ipv6Addr)| [(v4.into(), 24), (v6.into(), 64)];
    connect(&uplink, &addresses(SENDERS), &eth0, &addresses(HOST)).unwrap();
    (uplink, eth0)
}
