//! Reads and writes of packet memory, each checked against the end of the packet.

use aya_ebpf::programs::XdpContext;
use stormbolt_ebpf::packet::{Frame, PacketBytes};

/// No header that is parsed begins further into the frame: 22 bytes of Ethernet and tags, 40 of
/// IPv6 and eight extension headers of 2,048 bytes. The verifier needs the bound to track offsets.
const MAX_OFFSET: usize = 0x4fff;

/// The packet that the program runs for.
pub(crate) struct XdpPacket {
    start: usize,
    end: usize,
}

impl XdpPacket {
    #[inline(always)]
    pub(crate) fn new(context: &XdpContext) -> Self {
        Self {
            start: context.data(),
            end: context.data_end(),
        }
    }
}

impl PacketBytes for XdpPacket {
    #[inline(always)]
    fn bytes_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let start = self.start + offset;
        if offset > MAX_OFFSET || start + N > self.end {
            return None;
        }
        let bytes = core::ptr::with_exposed_provenance::<[u8; N]>(start);
        // SAFETY: `start..start + N` lies in the packet, checked above; alignment is 1.
        Some(unsafe { bytes.read() })
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.end - self.start
    }
}

impl Frame for XdpPacket {
    #[inline(always)]
    fn write_at<const N: usize>(&self, offset: usize, bytes: [u8; N]) {
        let start = self.start + offset;
        if offset > MAX_OFFSET || start + N > self.end {
            return;
        }
        let place = core::ptr::with_exposed_provenance_mut::<[u8; N]>(start);
        // SAFETY: `start..start + N` lies in the packet, checked above; alignment is 1. The kernel gives
        // a program a frame of its own.
        unsafe { place.write(bytes) };
    }
}
