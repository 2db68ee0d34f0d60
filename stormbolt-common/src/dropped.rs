//! What is remembered of the TCP segments that were dropped, to know them when they come again, and of
//! what their flows have had ahead of the rate.
//!
//! All CPUs share it. A sender goes on from the CPU that its timer runs on, or the receiver from the one that an interrupt
//! has moved to: where each CPU remembered its own drops, a segment that came again over another one was dropped
//! a second time, and its sender waited for its timer.

/// Ranges of one [`DroppedLine`].
pub const RANGES_PER_LINE: usize = 4;
/// Lines.
pub const DROPPED_LINES: u32 = 8192;

/// The most that is remembered of what a flow has had, in 2^20 ns: about a second.
pub const MOST_OWED: u16 = 1023;

/// What was dropped of one flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedRange {
    /// Hash of the flow; zero: the entry is free.
    pub flow: u32,
    /// The lowest sequence number that was dropped (RFC 9293 section 3.4), modulo 2^32.
    pub low: u32,
    /// The highest one.
    pub high: u32,
    /// The jiffy (`bpf_jiffies64`, its lowest bits) of the last drop, of the last mark, or of the last segment
    /// that passed because nothing else had happened for a while.
    pub jiffy: u16,
    /// The time until which the flow has had its share, in 2^20 ns (`bpf_ktime_get_ns`, those bits): twice as far
    /// from now as what it has had ahead of the rate takes, at most [`MOST_OWED`]. Zero: it has had nothing yet.
    pub owes_until: u16,
}

/// Ranges of the flows whose hash leads here: one cache line.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedLine {
    /// In no order.
    pub ranges: [DroppedRange; RANGES_PER_LINE],
}

/// Index of a flow's line. The lowest bit of a flow is always set.
#[inline(always)]
pub const fn dropped_line_index(flow: u32) -> u32 {
    (flow >> 1) % DROPPED_LINES
}

const _: () = assert!(size_of::<DroppedRange>() == 16 && align_of::<DroppedRange>() == 4);
const _: () = assert!(size_of::<DroppedLine>() == 64 && align_of::<DroppedLine>() == 8);
const _: () = assert!(DROPPED_LINES.is_power_of_two());
