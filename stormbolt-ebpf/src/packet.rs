//! Reading packets without trusting them, and changing them in place.

use core::cell::Cell;

/// The bytes of one frame, from the Ethernet header on, without FCS.
pub trait PacketBytes {
    /// Copies `N` bytes that begin `offset` bytes into the frame; `None` where it ends before.
    fn bytes_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Length of the frame in bytes.
    fn length(&self) -> usize;
}

/// A frame that can be changed in place.
pub trait Frame: PacketBytes {
    /// Overwrites the `N` bytes from `offset` on; where the frame ends before, nothing happens.
    fn write_at<const N: usize>(&self, offset: usize, bytes: [u8; N]);
}

impl PacketBytes for [Cell<u8>] {
    fn bytes_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let end = offset.checked_add(N)?;
        let cells: &[Cell<u8>; N] = self.get(offset..end)?.try_into().ok()?;
        Some(cells.each_ref().map(Cell::get))
    }

    fn length(&self) -> usize {
        self.len()
    }
}

impl Frame for [Cell<u8>] {
    fn write_at<const N: usize>(&self, offset: usize, bytes: [u8; N]) {
        let place = offset.checked_add(N).and_then(|end| self.get(offset..end));
        for (cell, byte) in place.into_iter().flatten().zip(bytes) {
            cell.set(byte);
        }
    }
}

impl PacketBytes for [u8] {
    fn bytes_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let end = offset.checked_add(N)?;
        self.get(offset..end)?.try_into().ok()
    }

    fn length(&self) -> usize {
        self.len()
    }
}
