//! Reading packets without trusting them.

/// The bytes of one frame, from the Ethernet header on, without FCS.
pub trait PacketBytes {
    /// Copies `N` bytes that begin `offset` bytes into the frame; `None` where it ends before.
    fn bytes_at<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Length of the frame in bytes.
    fn length(&self) -> usize;
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
