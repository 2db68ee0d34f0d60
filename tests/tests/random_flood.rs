//! Frames of random bytes, through a real interface: each is counted, and nothing breaks.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use stormbolt::datapath::{Flood, FloodFrames};
use stormbolt::lab::require_root;
use stormbolt_common::generator::{GeneratorSettings, MAX_RANDOM_WORDS};
use stormbolt_tests::e2e::{Daemon, Family, Lab, policy, until};

/// Raises the number of frames, for a longer run.
const FRAMES_VARIABLE: &str = "STORMBOLT_RANDOM_FRAMES";
const FRAMES: u32 = 300_000;
/// Both addresses.
const ADDRESSES: usize = 12;
const LENGTHS: [usize; 6] = [60, 64, 77, 128, 590, 1400];

/// What stands right before the random bytes, so that all stages get their part of them.
#[derive(Clone, Copy, Debug)]
enum Right {
    /// This EtherType and nothing behind it.
    Type(u16),
    /// A VLAN tag, and the EtherType of IPv4 in it.
    TagOfIpv4,
    /// Two VLAN tags, and all of an IPv6 header before the next header's number.
    TagsAndIpv6Length,
    /// All of an IPv4 header before its identification and fragment offset.
    Ipv4Length,
    /// All of an IPv4 header before its time to live: no fragment.
    Ipv4Fragment,
    /// All of an IPv6 header before the next header's number.
    Ipv6Length,
}

const KINDS: [Right; 9] = [
    Right::Type(0x0800),
    Right::Type(0x86dd),
    Right::Type(0x8100),
    Right::Type(0x88a8),
    Right::TagOfIpv4,
    Right::TagsAndIpv6Length,
    Right::Ipv4Length,
    Right::Ipv4Fragment,
    Right::Ipv6Length,
];

impl Right {
    /// The bytes from the EtherType on, in a frame of `length` bytes.
    fn bytes(self, length: usize) -> anyhow::Result<Vec<u8>> {
        let left = |headers: usize| u16::try_from(length.saturating_sub(ADDRESSES + headers));
        let ipv4 = |tail: &[u8]| -> anyhow::Result<Vec<u8>> {
            Ok([&[0x08, 0, 0x45, 0][..], &left(2)?.to_be_bytes(), tail].concat())
        };
        let ipv6 = |tags: &[u8]| -> anyhow::Result<Vec<u8>> {
            let payload = left(tags.len() + 2 + 40)?.to_be_bytes();
            Ok([tags, &[0x86, 0xdd, 0x60, 0, 0, 0], &payload].concat())
        };
        Ok(match self {
            Self::Type(ether_type) => ether_type.to_be_bytes().to_vec(),
            Self::TagOfIpv4 => vec![0x81, 0, 0, 7, 0x08, 0],
            Self::TagsAndIpv6Length => ipv6(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8])?,
            Self::Ipv4Length => ipv4(&[])?,
            Self::Ipv4Fragment => ipv4(&[0; 4])?,
            Self::Ipv6Length => ipv6(&[])?,
        })
    }
}

/// Outcomes that some of so many frames have for certain.
const MET: [&str; 10] = [
    "not_ip",
    "rule_passed",
    "class_passed",
    "over_rate",
    "rule_dropped",
    "truncated",
    "bad_version",
    "bad_header_length",
    "bad_total_length",
    "bad_fragment",
];
/// Outcomes that the policy leaves no room for.
const NEVER: [&str; 2] = ["unconfigured", "malformed_passed"];
/// What a kernel says about itself when something is wrong with it.
const DEFECTS: [&str; 7] = [
    "WARNING:",
    "BUG:",
    "Oops",
    "Call Trace",
    "refcount_t",
    "KASAN",
    "general protection",
];

const RULES: &str = r#"[class.steered]
cpus = "0-1"

[class.slow]
ceil = "10Mbit"

[class.rest]
priority = 7
cpus = "1"

[[rule]]
name = "low ports"
protocol = ["tcp", "udp", "sctp"]
dst-port = ["0-20000"]
class = "steered"

[[rule]]
name = "fragments"
fragment = "later"
class = "slow"

[[rule]]
name = "drop half of the addresses"
dst = ["128.0.0.0/1", "8000::/1"]
action = "drop"

[[rule]]
name = "pass a quarter of the addresses"
dst = ["64.0.0.0/2", "4000::/2"]
action = "pass"

[[rule]]
name = "some ICMP"
icmp-type = ["0-100"]
class = "slow"

[[rule]]
name = "some DSCP"
dscp = ["0-20"]
class = "slow"

[default]
class = "rest"
"#;

/// The kernel's log from now on; `None` where it may not be read.
fn kernel_log() -> Option<File> {
    let mut log = File::options()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open("/dev/kmsg")
        .ok()?;
    log.seek(SeekFrom::End(0)).ok()?;
    Some(log)
}

/// The records that tell of a defect.
fn defects(log: &mut File) -> Vec<String> {
    let mut found = Vec::new();
    let mut record = vec![0; 8192];
    loop {
        // One record a call.
        let length = match log.read(&mut record) {
            Ok(length) => length,
            // Records were overwritten before they were read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => continue,
            Err(_) => break,
        };
        let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default()).into_owned();
        if DEFECTS.iter().any(|defect| text.contains(defect)) {
            found.push(text);
        }
    }
    found
}

/// Sends random frames from the senders' end; returns how many were handed to the device.
fn send(lab: &Lab, right: Right, length: usize, frames: u32) -> anyhow::Result<u64> {
    let addresses = [lab.eth0.mac().0, lab.uplink.mac().0].concat();
    let mut template = [addresses, right.bytes(length)?].concat();
    let random_offset = u32::try_from(template.len())?;
    template.resize(length, 0xa5);
    let settings = GeneratorSettings {
        random_offset,
        random_words: MAX_RANDOM_WORDS,
        ..GeneratorSettings::default()
    };
    let mut flood = Flood::load(lab.uplink.ifindex(), &FloodFrames { template, settings })?;
    lab.senders.run(|| flood.send(frames))??;
    Ok(flood.report().frames)
}

#[test]
fn frames_of_random_bytes_are_all_accounted_for_and_nothing_breaks() -> anyhow::Result<()> {
    if !require_root("frames_of_random_bytes_are_all_accounted_for") {
        return Ok(());
    }
    let frames = std::env::var(FRAMES_VARIABLE).map_or(Ok(FRAMES), |number| number.parse())?;
    let lab = Lab::new();
    // The senders' stack itself shall send nothing.
    lab.senders.sysctl("net.ipv6.conf.all.disable_ipv6", "1")?;
    let daemon = Daemon::start(&lab, &policy(RULES));
    let mut log = kernel_log();
    let device = || -> anyhow::Result<_> { Ok((lab.eth0.counters()?, lab.uplink.counters()?)) };
    let ((host, link), counted) = (device()?, daemon.eth0());

    let rounds = u32::try_from(KINDS.len() * LENGTHS.len())?;
    let mut sent = 0;
    for right in KINDS {
        for length in LENGTHS {
            sent += send(&lab, right, length, frames.div_ceil(rounds))?;
        }
    }
    assert!(sent >= u64::from(frames), "{sent} sent");

    // What a full queue of the link has cost, the device has counted.
    let arrived = || -> anyhow::Result<u64> {
        let (now, link_now) = device()?;
        let lost = link_now.sent_dropped - link.sent_dropped;
        let received = now.received_packets - host.received_packets;
        assert!(
            received + lost <= sent,
            "{received} received, {lost} lost of {sent}"
        );
        Ok(if received + lost == sent { received } else { 0 })
    };
    until("every frame has arrived or is lost", || {
        matches!(arrived(), Ok(1..))
    });
    let arrived = arrived()?;
    eprintln!("{arrived} of {sent} frames arrived");
    assert!(arrived > sent / 2, "{arrived} of {sent} frames arrived");

    let now = daemon.eth0();
    let outcomes: Vec<(String, u64)> = counted
        .outcomes
        .iter()
        .zip(now.outcomes)
        .map(|(old, new)| (new.outcome, new.packets - old.packets))
        .collect();
    eprintln!("{outcomes:?}");
    assert_eq!(
        outcomes.iter().map(|(_, packets)| packets).sum::<u64>(),
        arrived,
        "{outcomes:?}"
    );
    let of = |name| {
        outcomes
            .iter()
            .find(|(outcome, _)| outcome == name)
            .map(|(_, packets)| *packets)
    };
    for outcome in MET {
        assert!(of(outcome) > Some(0), "{outcome}: {outcomes:?}");
    }
    for outcome in NEVER {
        assert_eq!(of(outcome), Some(0), "{outcome}: {outcomes:?}");
    }

    daemon.cli(&["show", "status"]).with_code(0);
    let text = daemon.log();
    assert!(!text.contains("ERROR") && !text.contains("WARN"), "{text}");
    if let Some(log) = &mut log {
        assert_eq!(defects(log), Vec::<String>::new());
    }
    // Ordinary traffic still gets through.
    let receiver = lab.receive(Family::V4, &[7001]);
    let sender = lab.send(Family::V4, 7001, 100, 1000);
    until("traffic gets through", || {
        receiver.counters().iter().any(|port| port.packets > 100)
    });
    drop(sender);
    Ok(())
}
