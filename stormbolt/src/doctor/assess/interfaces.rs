//! Interfaces: whether the program can run in their drivers, and whether they feed it well.

use stormbolt_control::policy::AttachMode;

use crate::datapath::{AttachedMode, DeviceSeen};
use crate::doctor::document::DoctorFinding;
use crate::doctor::facts::{Facts, InterfaceFacts, PolicyState, Queues};

/// `NETDEV_XDP_ACT_BASIC` and `NETDEV_XDP_ACT_REDIRECT` (`linux/netdev.h`).
const BASIC: u64 = 1;
const REDIRECT: u64 = 2;

/// Largest IP packet that fits into a page beside what XDP keeps there (`veth_xdp_set` in `drivers/net/veth.c`): programs
/// that see a frame in one piece need that. Some drivers take less.
const LARGEST_NATIVE_MTU: u32 = 3506;

/// Features that leave a driver no frames as they arrived, as ethtool calls them.
const MERGING: [&str; 2] = [LRO, "rx-gro-hw"];
const LRO: &str = "rx-lro";

/// Entries of a receive ring that a burst does not fill at once.
const AMPLE_RING: u32 = 1024;

pub(super) fn assess(facts: &Facts) -> Vec<DoctorFinding> {
    let steers = match &facts.policy.state {
        PolicyState::Valid(policy) => policy.steers,
        PolicyState::Missing | PolicyState::Unreadable(_) | PolicyState::Invalid(_) => false,
    };
    let mut findings = Vec::new();
    for interface in &facts.interfaces {
        let of_one = of_one(interface, facts.cpus, steers);
        findings.extend(of_one.into_iter().map(|one| one.on(&interface.name)));
    }
    findings
}

fn of_one(interface: &InterfaceFacts, cpus: usize, steers: bool) -> Vec<DoctorFinding> {
    let Some(device) = &interface.device else {
        let message = "there is no such interface: its part of the policy waits until there is";
        return vec![
            DoctorFinding::problem("interface", message)
                .remedy("`ip link` lists those there are; correct `[interface.NAME]`"),
        ];
    };
    let mut findings = vec![occupied(interface), mode(interface, device)];
    findings.extend(obstacles(interface, device));
    findings.extend(queues(interface, cpus));
    findings.extend(ring(interface));
    if steers && device.kind == "veth" {
        let message = "frames from the other end of a veth come without checksums while its `tx` offload is on: steered to \
                       another CPU they are taken for broken";
        findings.push(
            DoctorFinding::note("checksums", message)
                .remedy("ethtool -K PEER tx off, in the namespace of the other end"),
        );
    }
    if !device.is_up {
        let name = &interface.name;
        findings.push(
            DoctorFinding::note("link", "it is down: nothing arrives")
                .remedy(format!("ip link set {name} up")),
        );
    }
    findings
}

fn occupied(interface: &InterfaceFacts) -> DoctorFinding {
    let check = "xdp";
    let name = &interface.name;
    match (&interface.foreign, interface.ours) {
        (Some(program), _) if !interface.ours_are_known => {
            let message = format!(
                "an XDP program runs there: {program}. Whether it is StormBolt's is not to be seen by this user"
            );
            DoctorFinding::note(check, message).remedy("run this as root")
        }
        (Some(program), _) => {
            let message = format!(
                "another XDP program runs there: {program}. One interface runs one program, which may let another go on with \
                 what passes"
            );
            DoctorFinding::problem(check, message).remedy(format!(
                "stop what owns it, or `ip link set dev {name} xdp off`; to have it behind StormBolt, pin it before, and name \
                 the pin: `then` in `[interface.{name}]`"
            ))
        }
        (None, Some(_)) => DoctorFinding::ok(check, "StormBolt's program runs there"),
        (None, None) => DoctorFinding::ok(check, "no XDP program runs there"),
    }
}

fn mode(interface: &InterfaceFacts, device: &DeviceSeen) -> DoctorFinding {
    let check = "mode";
    if interface.wanted == Some(AttachMode::Generic) {
        return DoctorFinding::ok(check, "generic mode is asked for, and works everywhere");
    }
    // Where one mode is asked for, the other one is no way out.
    let strict = interface.wanted == Some(AttachMode::Native);
    let finding = |message: String| {
        if strict {
            DoctorFinding::problem(check, message)
                .remedy("write `mode = \"auto\"` or `mode = \"generic\"`")
        } else {
            DoctorFinding::note(check, message)
        }
    };
    match (interface.ours, interface.hardware.xdp_features) {
        (Some(AttachedMode::Native), _) => {
            DoctorFinding::ok(check, "the program runs in the driver (native mode)")
        }
        (Some(AttachedMode::Generic), _) => DoctorFinding::note(
            check,
            "the program runs in the stack (generic mode), behind what each packet costs there",
        )
        .remedy("`stormbolt show status` says why its driver refused"),
        (None, Some(features)) if features & BASIC == 0 => {
            let kind = match device.kind.as_str() {
                "" => "the driver".to_owned(),
                kind => format!("a device of kind {kind}"),
            };
            finding(format!("{kind} does not run XDP programs: it runs in the stack (generic mode), slower"))
        }
        (None, Some(features)) if features & REDIRECT == 0 => finding(
            "the driver runs XDP programs (native mode), but hands no frames to other CPUs: classes with `cpus` need that"
                .to_owned(),
        ),
        (None, Some(_)) => DoctorFinding::ok(check, "the driver runs XDP programs (native mode)"),
        (None, None) => DoctorFinding::note(
            check,
            "whether the driver runs XDP programs is not to be seen (Linux 6.3 and newer tell): it shows when a daemon \
             attaches",
        ),
    }
}

/// What drivers refuse a program for that they would run otherwise.
fn obstacles(interface: &InterfaceFacts, device: &DeviceSeen) -> Vec<DoctorFinding> {
    let name = &interface.name;
    let in_driver = interface.ours == Some(AttachedMode::Native);
    if in_driver || interface.wanted == Some(AttachMode::Generic) {
        return Vec::new();
    }
    let strict = interface.wanted == Some(AttachMode::Native);
    let finding = |check: &str, message: String| {
        if strict {
            DoctorFinding::problem(check, message)
        } else {
            DoctorFinding::note(check, message)
        }
    };
    let mut findings = Vec::new();
    if device.mtu > LARGEST_NATIVE_MTU {
        let mtu = device.mtu;
        let message = format!(
            "the MTU is {mtu}, and in a driver (native mode) a frame has to fit into a page: {LARGEST_NATIVE_MTU} at most"
        );
        findings.push(finding("mtu", message).remedy(format!(
            "ip link set {name} mtu {LARGEST_NATIVE_MTU}, on the other end of the link too; or `mode = \"generic\"`"
        )));
    }
    let on: Vec<&str> = MERGING
        .into_iter()
        .filter(|feature| interface.hardware.features.iter().any(|on| on == feature))
        .collect();
    if !on.is_empty() {
        let off: Vec<String> = on.iter().map(|feature| format!("{feature} off")).collect();
        let message = format!(
            "the card merges packets before anybody sees them ({}): drivers refuse native mode then, or switch it off \
             themselves; in generic mode rules see lengths that were never sent",
            on.join(", ")
        );
        let remedy = format!("ethtool -K {name} {}", off.join(" "));
        // Drivers that do it in hardware mostly know how to stop; those that do LRO refuse.
        let merging = if on.contains(&LRO) {
            finding("merging", message)
        } else {
            DoctorFinding::note("merging", message)
        };
        findings.push(merging.remedy(remedy));
    }
    findings
}

fn queues(interface: &InterfaceFacts, cpus: usize) -> Option<DoctorFinding> {
    let check = "queues";
    let Queues { kind, now, most } = interface.hardware.queues?;
    let cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
    let name = &interface.name;
    let useful = most.min(cpus);
    if now < useful {
        let message = format!(
            "{now} of {most} receive queues are in use, with {cpus} CPUs: each queue is received by one CPU"
        );
        let finding = DoctorFinding::note(check, message);
        return Some(finding.remedy(format!("ethtool -L {name} {kind} {useful}")));
    }
    if now == 1 && cpus > 1 {
        let message = "there is one receive queue: one CPU receives everything";
        let finding = DoctorFinding::note(check, message);
        return Some(finding.remedy("spread flows behind it: `cpus` of the classes"));
    }
    let message = match now {
        1 => "one receive queue, and one CPU".to_owned(),
        _ => format!("{now} receive queues, {cpus} CPUs"),
    };
    Some(DoctorFinding::ok(check, message))
}

fn ring(interface: &InterfaceFacts) -> Option<DoctorFinding> {
    let (now, most) = interface.hardware.ring?;
    let name = &interface.name;
    let wanted = most.min(AMPLE_RING);
    if now >= wanted {
        return Some(DoctorFinding::ok(
            "ring",
            format!("receive rings of {now} entries"),
        ));
    }
    let message = format!(
        "receive rings have {now} entries of {most}: a burst that comes while the CPU is busy is lost in the card"
    );
    Some(DoctorFinding::note("ring", message).remedy(format!("ethtool -G {name} rx {wanted}")))
}
