//! Real frames on a link, as fast as the kernel makes them.

use anyhow::Result;
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Header, IpVersion};

use super::{Front, Link};

/// A sender of frames with given headers.
pub struct Flood {
    front: Front,
}

impl Flood {
    /// Loads a sender.
    ///
    /// # Errors
    /// As [`Front::load`].
    pub fn load(headers: &[Header], version: IpVersion) -> Result<Self> {
        let mut front = Front::load(headers, version)?;
        front.transmit()?;
        Ok(Self { front })
    }

    /// Loads a sender of frames that are filled up to `frame_bytes`.
    ///
    /// # Errors
    /// As [`Front::load`].
    pub fn load_padded(headers: &[Header], version: IpVersion, frame_bytes: usize) -> Result<Self> {
        let mut flood = Self::load(headers, version)?;
        flood.front.pad(frame_bytes);
        Ok(flood)
    }

    /// Sends `frames` frames without a pause.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn send_frames(&mut self, link: &Link, frames: u32) -> Result<()> {
        let (front, ifindex) = (&mut self.front, link.sending_ifindex());
        link.senders().run(|| front.send(ifindex, frames))?
    }

    /// Sends a frame for each header, `passes` times, to the other end of `link`, and returns how
    /// many that were. The link takes as many of them as its receiver is fast enough for.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn send(&mut self, link: &Link, passes: u32) -> Result<u64> {
        let (front, ifindex) = (&mut self.front, link.sending_ifindex());
        link.senders()
            .run(|| front.send(ifindex, passes * BENCH_HEADERS))??;
        Ok(u64::from(passes) * u64::from(BENCH_HEADERS))
    }
}
