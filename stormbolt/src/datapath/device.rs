//! What the kernel knows of network devices, of the caller's network namespace.

use std::io;
use std::pin::pin;

use futures_util::StreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp, XdpAttached,
};

use super::attach::AttachedMode;
use super::inspect::DeviceSeen;

/// A device, as far as it matters for attaching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) ifindex: u32,
    pub(super) name: String,
    /// What it is a port of.
    pub(super) master: Option<u32>,
    pub(super) kind: Kind,
    /// The XDP program that runs on it, and how.
    pub(super) program: Option<(u32, AttachedMode)>,
}

/// Kinds of devices that run programs in a way of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Bond,
    Vlan,
    #[default]
    Other,
}

impl Kind {
    /// Why a device of this kind may refuse a program.
    pub(super) const fn advice(self, mode: AttachedMode) -> &'static str {
        match (self, mode) {
            // `bond_xdp_set` in `drivers/net/bonding/bond_main.c`.
            (Self::Bond, AttachedMode::Native) => {
                ": a bond runs a program natively only in the modes balance-rr, active-backup, balance-xor and \
                 802.3ad, without the hash policy vlan+srcmac, and only if every port can and none has a \
                 program of its own; `mode = \"generic\"` works with every bond"
            }
            (Self::Vlan, AttachedMode::Native) => {
                ": VLAN devices run programs in generic mode only: say `mode = \"generic\"`, or name the device \
                 below it and let rules match `vlan`"
            }
            (Self::Bond | Self::Vlan, AttachedMode::Generic) | (Self::Other, _) => "",
        }
    }
}

/// The device with this number; `None`: there is none.
pub(super) fn device(ifindex: u32) -> io::Result<Option<Device>> {
    let found = with_netlink(async |netlink| {
        let mut links = pin!(netlink.link().get().match_index(ifindex).execute());
        links.next().await.transpose()
    });
    match found {
        Ok(message) => Ok(message.as_ref().map(read)),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The ports of the device with this number.
pub(super) fn ports(ifindex: u32) -> io::Result<Vec<u32>> {
    with_netlink(async |netlink| {
        let mut links = pin!(netlink.link().get().execute());
        let mut ports = Vec::new();
        while let Some(link) = links.next().await {
            let device = read(&link?);
            if device.master == Some(ifindex) {
                ports.push(device.ifindex);
            }
        }
        Ok(ports)
    })
}

pub(super) fn with_netlink<T>(
    request: impl AsyncFnOnce(Handle) -> Result<T, rtnetlink::Error>,
) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let (connection, handle, _messages) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        request(handle).await.map_err(|error| {
            if let rtnetlink::Error::NetlinkError(message) = error {
                message.to_io()
            } else {
                io::Error::other(error)
            }
        })
    })
}

/// What a message says of a device, for people.
pub(super) fn seen(message: &LinkMessage) -> DeviceSeen {
    let device = read(message);
    let flags = message.header.flags;
    let mut seen = DeviceSeen {
        ifindex: device.ifindex,
        name: device.name,
        is_loopback: flags.contains(LinkFlags::Loopback),
        is_up: flags.contains(LinkFlags::Up),
        program: device.program,
        ..DeviceSeen::default()
    };
    for attribute in &message.attributes {
        if let LinkAttribute::Mtu(mtu) = attribute {
            seen.mtu = *mtu;
        } else if let LinkAttribute::LinkInfo(infos) = attribute {
            let kind = infos.iter().find_map(|info| {
                let LinkInfo::Kind(kind) = info else {
                    return None;
                };
                Some(kind.to_string())
            });
            seen.kind = kind.unwrap_or_default();
        }
    }
    seen
}

fn read(message: &LinkMessage) -> Device {
    let mut device = Device {
        ifindex: message.header.index,
        ..Device::default()
    };
    for attribute in &message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            device.name.clone_from(name);
        } else if let LinkAttribute::Controller(master) = attribute {
            device.master = Some(*master).filter(|master| *master != 0);
        } else if let LinkAttribute::LinkInfo(infos) = attribute {
            device.kind = infos.iter().find_map(kind).unwrap_or_default();
        } else if let LinkAttribute::Xdp(parts) = attribute {
            device.program = program(parts);
        }
    }
    device
}

fn kind(info: &LinkInfo) -> Option<Kind> {
    let LinkInfo::Kind(kind) = info else {
        return None;
    };
    Some(if *kind == InfoKind::Bond {
        Kind::Bond
    } else if *kind == InfoKind::Vlan {
        Kind::Vlan
    } else {
        Kind::Other
    })
}

/// The program that runs first: the driver's is before the stack's.
fn program(parts: &[LinkXdp]) -> Option<(u32, AttachedMode)> {
    let (mut all, mut native, mut generic, mut is_generic) = (None, None, None, false);
    for part in parts {
        if let LinkXdp::ProgId(id) = part {
            all = Some(*id);
        } else if let LinkXdp::DrvProgId(id) | LinkXdp::HwProgId(id) = part {
            native = Some(*id);
        } else if let LinkXdp::SkbProgId(id) = part {
            generic = Some(*id);
        } else if let LinkXdp::Attached(attached) = part {
            is_generic = *attached == XdpAttached::SocketBuffer;
        }
    }
    let native = native.or(all.filter(|_| !is_generic));
    let native = native.map(|id| (id, AttachedMode::Native));
    native.or(generic.or(all).map(|id| (id, AttachedMode::Generic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_is_found_and_has_no_program() {
        let lo = device(1).unwrap().unwrap();
        let expected = Device {
            ifindex: 1,
            name: "lo".to_owned(),
            ..Device::default()
        };
        assert_eq!(lo, expected);
        assert!(ports(1).unwrap().is_empty());
        assert_eq!(device(u32::MAX >> 1).unwrap(), None);
    }

    #[test]
    fn kinds_masters_and_programs_are_read_out_of_a_message() {
        let mut message = LinkMessage::default();
        message.header.index = 7;
        message.attributes = vec![
            LinkAttribute::IfName("bond0".to_owned()),
            LinkAttribute::Controller(9),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bond)]),
            LinkAttribute::Xdp(vec![
                LinkXdp::Attached(XdpAttached::SocketBuffer),
                LinkXdp::ProgId(12),
                LinkXdp::SkbProgId(12),
            ]),
        ];
        let device = read(&message);
        assert_eq!((device.ifindex, device.master), (7, Some(9)));
        assert_eq!(device.kind, Kind::Bond);
        assert_eq!(device.program, Some((12, AttachedMode::Generic)));
        let both = [
            LinkXdp::Attached(XdpAttached::Multiple),
            LinkXdp::DrvProgId(3),
            LinkXdp::SkbProgId(4),
        ];
        assert_eq!(program(&both), Some((3, AttachedMode::Native)));
        let native = [LinkXdp::Attached(XdpAttached::Driver), LinkXdp::ProgId(5)];
        assert_eq!(program(&native), Some((5, AttachedMode::Native)));
        assert_eq!(program(&[LinkXdp::Attached(XdpAttached::None)]), None);
    }

    #[test]
    fn a_vlan_device_that_refuses_native_mode_is_explained() {
        let native = Kind::Vlan.advice(AttachedMode::Native);
        assert!(native.contains("mode = \"generic\""), "{native}");
        assert_eq!(Kind::Vlan.advice(AttachedMode::Generic), "");
        assert_eq!(Kind::Other.advice(AttachedMode::Native), "");
    }
}
