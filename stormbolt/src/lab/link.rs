//! veth pairs between namespaces.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt;
use nix::net::if_::if_nametoindex;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, State};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::clock::{MILLISECOND_NS, SECOND_NS, now_ns, sleep_until};
use super::netlink::with_netlink;
use super::{LabError, Namespace, Offload, ethtool};

/// An Ethernet address, in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Returns a locally administered unicast address that this process has not used yet.
    fn next() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let [a, b, c, d] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Self([0x02, 0x5b, a, b, c, d])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ":" };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

/// How a veth pair is made.
#[derive(Clone, Copy, Debug)]
pub struct VethOptions {
    /// Receive and transmit queues of either end.
    pub queues: u32,
    /// Largest IP packet, in bytes.
    pub mtu: u32,
}

impl Default for VethOptions {
    fn default() -> Self {
        Self {
            queues: 2,
            mtu: 1500,
        }
    }
}

/// What one end of a link has carried since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Frames received.
    pub received_packets: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Frames that the device dropped on receipt, XDP drops included.
    pub received_dropped: u64,
    /// Frames sent.
    pub sent_packets: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Frames that the device dropped instead of sending them.
    pub sent_dropped: u64,
}

/// One end of a veth pair.
#[derive(Clone, Debug)]
pub struct Interface {
    pub(super) namespace: Namespace,
    pub(super) name: String,
    index: u32,
    pub(super) mac: MacAddress,
}

/// Creates a veth pair with one end in each namespace, both down and without addresses.
///
/// Transmit checksum and segmentation offloads are off and GRO is on at both ends, so that a native
/// XDP program sees finished frames of at most the MTU (no TCP super-packets), may redirect them or
/// send them back, and frames may be redirected into either end without a program there.
///
/// # Errors
///
/// When a name is taken or too long, or without `CAP_NET_ADMIN`.
pub fn veth(
    a: &Namespace,
    name_a: &str,
    b: &Namespace,
    name_b: &str,
    options: VethOptions,
) -> Result<(Interface, Interface), LabError> {
    let (mac_a, mac_b) = (MacAddress::next(), MacAddress::next());
    let peer = with_options(LinkUnspec::new_with_name(name_b), mac_b, options)
        .setns_by_fd(b.fd().as_raw_fd())
        .build();
    let link = with_options(
        LinkMessageBuilder::<LinkVeth>::new(name_a, name_b),
        mac_a,
        options,
    )
    .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
    .build();
    let operation = format!("create the link `{name_a}` - `{name_b}`");
    with_netlink(a, operation, async |netlink| {
        netlink.link().add(link).execute().await
    })?;
    let (a, b) = (
        Interface::find(a, name_a, mac_a)?,
        Interface::find(b, name_b, mac_b)?,
    );
    for end in [&a, &b] {
        end.set_offload(Offload::TransmitChecksum, false)?;
        end.set_offload(Offload::TcpSegmentation, false)?;
        end.set_offload(Offload::GenericSegmentation, false)?;
        end.set_offload(Offload::GenericReceive, true)?;
    }
    Ok((a, b))
}

/// Makes a new link usable at once: addresses on both ends, both up and running, and permanent neighbour
/// entries for each other, so that no packet ever waits for ARP or neighbour discovery.
///
/// # Errors
///
/// When the kernel refuses an address, such as one that is there already.
pub fn connect(
    a: &Interface,
    addresses_a: &[(IpAddr, u8)],
    b: &Interface,
    addresses_b: &[(IpAddr, u8)],
) -> Result<(), LabError> {
    a.set_up()?;
    b.set_up()?;
    a.wait_until_running()?;
    b.wait_until_running()?;
    for (end, addresses) in [(a, addresses_a), (b, addresses_b)] {
        for &(address, prefix_length) in addresses {
            end.add_address(address, prefix_length)?;
        }
    }
    for (end, peer, addresses) in [(a, b, addresses_b), (b, a, addresses_a)] {
        for &(address, _) in addresses {
            end.add_neighbour(address, peer.mac())?;
        }
    }
    Ok(())
}

impl Interface {
    pub(super) fn find(
        namespace: &Namespace,
        name: &str,
        mac: MacAddress,
    ) -> Result<Self, LabError> {
        let index = namespace
            .run(|| if_nametoindex(name))?
            .map_err(LabError::io(format!(
                "find `{name}` in `{}`",
                namespace.label()
            )))?;
        Ok(Self {
            namespace: namespace.clone(),
            name: name.to_owned(),
            index,
            mac,
        })
    }

    /// Returns the namespace that the interface is in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns the name, unique in its namespace only.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the index, unique in its namespace only.
    pub fn ifindex(&self) -> u32 {
        self.index
    }

    /// Returns the Ethernet address.
    pub fn mac(&self) -> MacAddress {
        self.mac
    }

    /// Adds an address. An IPv6 address is usable at once (no duplicate address detection).
    ///
    /// # Errors
    ///
    /// When the address is there already.
    pub fn add_address(&self, address: IpAddr, prefix_length: u8) -> Result<(), LabError> {
        self.netlink(
            format!("add {address}/{prefix_length} to"),
            async |netlink, index| {
                let mut request = netlink.address().add(index, address, prefix_length);
                if address.is_ipv6() {
                    request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
                }
                request.execute().await
            },
        )
    }

    /// Waits until the interface carries frames, which takes both ends of its link to be up.
    ///
    /// The kernel activates the transmit queues of a link some time after it came up, and silently
    /// drops what is sent before.
    ///
    /// # Errors
    ///
    /// When that does not happen within ten seconds.
    pub fn wait_until_running(&self) -> Result<(), LabError> {
        let deadline_ns = now_ns() + 10 * SECOND_NS;
        while !self.is_running()? {
            if now_ns() > deadline_ns {
                let failed = format!(
                    "see `{}` in `{}` running",
                    self.name,
                    self.namespace.label()
                );
                return Err(LabError::io(failed)(io::Error::from(
                    io::ErrorKind::TimedOut,
                )));
            }
            sleep_until(now_ns() + MILLISECOND_NS);
        }
        // The state changes just before the queues are activated, both under the lock that this
        // request takes.
        self.set_up()
    }

    /// Tells whether the kernel has seen the link come up. `IFF_RUNNING` would not do: it is also
    /// set while the state of a new link is still unknown.
    fn is_running(&self) -> Result<bool, LabError> {
        let mut running = false;
        self.netlink("read the state of".to_owned(), async |netlink, index| {
            let mut links = pin!(netlink.link().get().match_index(index).execute());
            while let Some(link) = links.next().await {
                running |= link?
                    .attributes
                    .contains(&LinkAttribute::OperState(State::Up));
            }
            Ok(())
        })?;
        Ok(running)
    }

    /// Brings the interface up. The link carries frames once both ends are up, and some time has
    /// passed: see [`Self::wait_until_running`].
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_up(&self) -> Result<(), LabError> {
        self.netlink("set up".to_owned(), async |netlink, index| {
            let message = LinkUnspec::new_with_index(index).up().build();
            netlink.link().change(message).execute().await
        })
    }

    /// Takes the interface down.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_down(&self) -> Result<(), LabError> {
        self.netlink("set down".to_owned(), async |netlink, index| {
            let message = LinkUnspec::new_with_index(index).down().build();
            netlink.link().change(message).execute().await
        })
    }

    /// Enters the Ethernet address of a neighbour for good, so that nothing waits for ARP.
    ///
    /// # Errors
    ///
    /// When the interface is down.
    pub fn add_neighbour(&self, address: IpAddr, mac: MacAddress) -> Result<(), LabError> {
        self.netlink(
            format!("add the neighbour {address} to"),
            async |netlink, index| {
                let request = netlink.neighbours().add(index, address);
                request.link_layer_address(&mac.0).replace().execute().await
            },
        )
    }

    /// Routes a prefix through the interface, by way of `gateway` if there is one.
    ///
    /// # Errors
    ///
    /// When the prefix has host bits, the gateway is of the other family or not reachable, or the
    /// route is there already.
    pub fn add_route(&self, prefix: ipnet::IpNet, gateway: Option<IpAddr>) -> Result<(), LabError> {
        let invalid = |_| LabError::Option(format!("no route to {prefix} by {gateway:?}"));
        let mut route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(prefix.addr(), prefix.prefix_len())
            .map_err(invalid)?
            .output_interface(self.index);
        if let Some(gateway) = gateway {
            route = route.gateway(gateway).map_err(invalid)?;
        }
        let route = route.build();
        self.netlink(format!("add a route to {prefix} to"), async |netlink, _| {
            netlink.route().add(route).execute().await
        })
    }

    /// Switches an offload.
    ///
    /// # Errors
    ///
    /// When the device does not have it and it is to be on.
    pub fn set_offload(&self, offload: Offload, enabled: bool) -> Result<(), LabError> {
        let switched = self
            .namespace
            .run(|| ethtool::set(&self.name, offload, enabled))?;
        // As soon as the other end of a veth runs an XDP program, this one has no segmentation to switch any more.
        if switched.is_err() && !enabled && !self.offload(offload)? {
            return Ok(());
        }
        switched
    }

    /// Tells whether an offload is on.
    ///
    /// # Errors
    ///
    /// When the device does not have it.
    pub fn offload(&self, offload: Offload) -> Result<bool, LabError> {
        self.namespace.run(|| ethtool::get(&self.name, offload))?
    }

    /// Reads the device's counters.
    ///
    /// # Errors
    ///
    /// When the interface is gone.
    pub fn counters(&self) -> Result<InterfaceCounters, LabError> {
        let read = || std::fs::read_to_string("/proc/thread-self/net/dev");
        let failed = || format!("read the counters of `{}`", self.name);
        let table = self.namespace.run(read)?.map_err(LabError::io(failed()))?;
        counters_in(&table, &self.name).ok_or_else(|| LabError::Io {
            operation: failed(),
            source: io::ErrorKind::NotFound.into(),
        })
    }

    pub(super) fn netlink<F>(&self, operation: String, request: F) -> Result<(), LabError>
    where
        F: AsyncFnOnce(Handle, u32) -> Result<(), rtnetlink::Error> + Send,
    {
        let operation = format!(
            "{operation} `{}` in `{}`",
            self.name,
            self.namespace.label()
        );
        with_netlink(&self.namespace, operation, async |netlink| {
            request(netlink, self.index).await
        })
    }
}

fn with_options<T>(
    builder: LinkMessageBuilder<T>,
    mac: MacAddress,
    options: VethOptions,
) -> LinkMessageBuilder<T> {
    builder
        .address(mac.0.to_vec())
        .mtu(options.mtu)
        .append_extra_attribute(LinkAttribute::NumTxQueues(options.queues))
        .append_extra_attribute(LinkAttribute::NumRxQueues(options.queues))
}

/// Finds a device's line in `/proc/net/dev`: eight receive columns, then eight transmit columns.
fn counters_in(table: &str, name: &str) -> Option<InterfaceCounters> {
    let columns = table.lines().find_map(|line| {
        let (device, columns) = line.split_once(':')?;
        (device.trim() == name).then_some(columns)
    })?;
    let values: Vec<u64> = columns
        .split_whitespace()
        .map_while(|v| v.parse().ok())
        .collect();
    Some(InterfaceCounters {
        received_bytes: *values.first()?,
        received_packets: *values.get(1)?,
        received_dropped: *values.get(3)?,
        sent_bytes: *values.get(8)?,
        sent_packets: *values.get(9)?,
        sent_dropped: *values.get(11)?,
    })
}
