//! A veth pair, who receives what it carries, and what the receiver has done.

use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use aya::programs::Xdp;
use aya::programs::xdp::XdpMode;
use aya::{Ebpf, EbpfLoader};
use stormbolt::lab::clock::{MILLISECOND_NS, sleep_until};
use stormbolt::lab::{Interface, Namespace, VethOptions, connect, veth};

use super::clock::now_ns;
use super::front::{load_program, xdp_program};
use super::object;

/// More than the lines about IP in `/proc/net/snmp`, which come first.
const SNMP_BYTES: usize = 4096;
/// Of addresses.
const PREFIX_LENGTH: u8 = 24;

/// A link between two namespaces of its own.
pub struct Link {
    senders: Namespace,
    host: Namespace,
    sending: Interface,
    receiving: Interface,
    /// The kernel threads that receive, by number; none where the senders' CPUs do.
    threads: Vec<u32>,
    /// The counters of the host's IP; read anew from its beginning every time.
    snmp: File,
}

/// What the receiving end has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Frames taken off the link.
    pub frames: u64,
    /// Of these, the ones that came as far as the host's IP.
    pub by_ip: u64,
    /// Time that the receiving threads have run, in nanoseconds.
    pub thread_ns: u64,
}

impl Received {
    /// What has come since `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            frames: self.frames.saturating_sub(earlier.frames),
            by_ip: self.by_ip.saturating_sub(earlier.by_ip),
            thread_ns: self.thread_ns.saturating_sub(earlier.thread_ns),
        }
    }
}

impl Link {
    /// Makes a link whose frames are received on CPU number `cpu`.
    ///
    /// # Errors
    /// The kernel refuses, or cannot receive by threads.
    pub fn new(cpu: usize) -> Result<Self> {
        let mut link = Self::with_queues(1)?;
        link.receiving.receive_on(cpu)?;
        link.threads = threads(link.name())?;
        Ok(link)
    }

    /// Makes a link whose frames are received on the CPU that sends them, in turn with sending, a batch at a time: as
    /// many CPUs as send receive at the same time. There are queues for `cpus` CPUs.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn received_by_senders(cpus: usize) -> Result<Self> {
        Self::with_queues(u32::try_from(cpus)?)
    }

    fn with_queues(queues: u32) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // The threads are found by name, which no other process's may be, and of which the kernel
        // keeps 15 bytes, `napi/` included.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:x}n{number}", std::process::id());
        let (senders, host) = (Namespace::new("senders")?, Namespace::new("host")?);
        let options = VethOptions {
            queues,
            ..VethOptions::default()
        };
        let (sending, receiving) = veth(&senders, "uplink", &host, &name, options)?;
        connect(&sending, &[], &receiving, &[])?;
        Ok(Self {
            threads: Vec::new(),
            snmp: host.run(|| File::open("/proc/thread-self/net/snmp"))??,
            senders,
            host,
            sending,
            receiving,
        })
    }

    /// Gives both ends an address, for senders and receivers that are sockets.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn give_addresses(&self, sender: IpAddr, receiver: IpAddr) -> Result<()> {
        let addresses = [sender, receiver].map(|address| [(address, PREFIX_LENGTH)]);
        let [sender, receiver] = &addresses;
        Ok(connect(&self.sending, sender, &self.receiving, receiver)?)
    }

    /// Where frames are sent from.
    pub fn senders(&self) -> &Namespace {
        &self.senders
    }

    /// Where frames arrive.
    pub fn host(&self) -> &Namespace {
        &self.host
    }

    /// Name of the receiving interface.
    pub fn name(&self) -> &str {
        self.receiving.name()
    }

    /// The sending interface.
    pub fn sending(&self) -> &Interface {
        &self.sending
    }

    /// The receiving interface.
    pub fn receiving(&self) -> &Interface {
        &self.receiving
    }

    /// Number of the sending interface.
    pub fn sending_ifindex(&self) -> u32 {
        self.sending.ifindex()
    }

    /// Attaches a loaded program to the receiving interface, in native mode.
    pub(super) fn attach(&self, program: &mut Xdp) -> Result<()> {
        let ifindex = self.receiving.ifindex();
        let attached = self
            .host
            .run(|| program.attach_to_if_index(ifindex, XdpMode::Driver))?;
        attached.context("cannot attach")?;
        Ok(())
    }

    /// Waits until the receiver has done all its work and says what it has done.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn received(&self) -> Result<Received> {
        let mut before = self.count()?;
        loop {
            sleep_until(now_ns() + 2 * MILLISECOND_NS);
            let now = self.count()?;
            if now.frames == before.frames {
                return Ok(now);
            }
            before = now;
        }
    }

    fn count(&self) -> Result<Received> {
        let mut thread_ns = 0;
        for thread in &self.threads {
            let times = fs::read_to_string(format!("/proc/{thread}/schedstat"))?;
            let time = times.split_whitespace().next();
            thread_ns += time.context("schedstat is empty")?.parse::<u64>()?;
        }
        Ok(Received {
            frames: self.receiving.counters()?.received_packets,
            by_ip: self.received_by_ip()?,
            thread_ns,
        })
    }

    /// Frames that have come as far as the host's IP by now.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn received_by_ip(&self) -> Result<u64> {
        let mut text = [0; SNMP_BYTES];
        let length = self.snmp.read_at(&mut text, 0)?;
        let text = text.get(..length).unwrap_or_default();
        ip_received(&String::from_utf8_lossy(text)).context("no Ip: InReceives in /proc/net/snmp")
    }
}

/// A program that drops every frame, on a link's receiving end.
pub struct DropAll {
    _ebpf: Ebpf,
}

impl DropAll {
    /// Attaches one that drops frames at once.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn attach(link: &Link) -> Result<Self> {
        Self::attach_program(link, "empty")
    }

    /// Attaches one that reads a word of the frame before.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn attach_with_a_look(link: &Link) -> Result<Self> {
        Self::attach_program(link, "look")
    }

    fn attach_program(link: &Link, name: &'static str) -> Result<Self> {
        let mut ebpf = EbpfLoader::new().load(object::programs())?;
        drop(load_program(&mut ebpf, name)?);
        link.attach(xdp_program(&mut ebpf, name)?)?;
        Ok(Self { _ebpf: ebpf })
    }
}

/// The kernel threads that receive for the device `name`.
fn threads(name: &str) -> Result<Vec<u32>> {
    let wanted = format!("napi/{name}-");
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")? {
        let process = process?;
        let Some(number) = process.file_name().to_str().and_then(|id| id.parse().ok()) else {
            continue;
        };
        // Processes come and go.
        let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        if command.starts_with(&wanted) {
            found.push(number);
        }
    }
    anyhow::ensure!(!found.is_empty(), "no kernel thread receives for {name}");
    Ok(found)
}

/// `InReceives` in `/proc/net/snmp`: a line of names and a line of values for each protocol.
fn ip_received(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs
        .find(|(name, _)| *name == "InReceives")?
        .1
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_received_by_ip_are_found_by_the_name_of_their_column() {
        let text = "Ip: Forwarding DefaultTTL InReceives InHdrErrors\nIp: 2 64 123 4\n\
                    Icmp: InMsgs InErrors\nIcmp: 5 6\n";
        assert_eq!(ip_received(text), Some(123));
        assert_eq!(ip_received("Ip: Forwarding\nIp: 2\n"), None);
    }

    #[test]
    fn what_was_received_before_does_not_count() {
        let received = |frames, by_ip, thread_ns| Received {
            frames,
            by_ip,
            thread_ns,
        };
        assert_eq!(
            received(110, 21, 3000).since(received(100, 20, 1000)),
            received(10, 1, 2000)
        );
    }
}
