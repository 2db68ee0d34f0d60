//! Offload switches of a network device, as `ethtool -K` sets them.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use super::LabError;

/// The ioctl of all ethtool requests (`linux/sockios.h`).
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// Longest device name, terminator included (`linux/if.h`).
const NAME_SIZE: usize = 16;

/// A device feature that changes what frames look like to an XDP program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offload {
    /// Leaves the transport checksum of sent frames to the device.
    ///
    /// A veth hands such frames on unfinished. That is fine as long as they stay socket buffers;
    /// a frame that XDP redirects or sends loses the mark, and its receiver drops it as corrupt.
    TransmitChecksum,
    /// Hands TCP segments beyond the MTU to the device to cut (TSO).
    TcpSegmentation,
    /// Delays cutting segments until just before the driver (GSO).
    GenericSegmentation,
    /// Merges received segments (GRO). On a veth it also switches the receive queue to polling,
    /// which the *peer's* native XDP program needs for `XDP_TX`, and redirects into this device.
    GenericReceive,
}

impl Offload {
    /// Command numbers to get and to set the feature (`linux/ethtool.h`).
    const fn commands(self) -> (u32, u32) {
        match self {
            Self::TransmitChecksum => (0x16, 0x17),
            Self::TcpSegmentation => (0x1e, 0x1f),
            Self::GenericSegmentation => (0x23, 0x24),
            Self::GenericReceive => (0x2b, 0x2c),
        }
    }
}

/// Switches `offload` of the device `name` of the calling thread's namespace.
pub(super) fn set(name: &str, offload: Offload, enabled: bool) -> Result<(), LabError> {
    let (_, set) = offload.commands();
    request(
        name,
        EthtoolValue {
            command: set,
            data: u32::from(enabled),
        },
    )
    .map(drop)
    .map_err(LabError::io(format!("switch {offload:?} of `{name}`")))
}

/// Reads `offload` of the device `name` of the calling thread's namespace.
pub(super) fn get(name: &str, offload: Offload) -> Result<bool, LabError> {
    let (get, _) = offload.commands();
    request(
        name,
        EthtoolValue {
            command: get,
            data: 0,
        },
    )
    .map(|value| value != 0)
    .map_err(LabError::io(format!("read {offload:?} of `{name}`")))
}

/// `struct ethtool_value`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// `struct ifreq` with the member that `SIOCETHTOOL` uses.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_SIZE],
    data: *mut EthtoolValue,
    unused: [u8; size_of::<libc::ifreq>() - NAME_SIZE - size_of::<usize>()],
}
const _: () = assert!(size_of::<InterfaceRequest>() == size_of::<libc::ifreq>());

fn request(name: &str, mut value: EthtoolValue) -> io::Result<u32> {
    let mut request = InterfaceRequest {
        name: [0; NAME_SIZE],
        data: &raw mut value,
        unused: [0; size_of::<libc::ifreq>() - NAME_SIZE - size_of::<usize>()],
    };
    // One byte stays zero: the kernel wants a terminated name.
    request
        .name
        .get_mut(..NAME_SIZE - 1)
        .and_then(|room| room.get_mut(..name.len()))
        .ok_or(io::ErrorKind::InvalidFilename)?
        .copy_from_slice(name.as_bytes());
    let socket = UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: `request` has the size and layout of `struct ifreq`, and its pointer leads to a live
    // `struct ethtool_value`, which is all these commands read and write.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(value.data)
    }
}
