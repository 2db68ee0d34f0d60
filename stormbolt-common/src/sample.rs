//! Packets that user space sees: one now and then, and all of a few TCP connections.

use crate::follow::FOLLOWED;
use crate::outcome::Outcome;

/// Which packets are taken.
///
/// Of all packets each CPU takes one after a gap that is as good as random, so that no traffic that comes in a rhythm
/// is seen more or less often than it should be. Of some TCP connections all packets are taken: of those whose
/// ports, one exclusive-or the other, have the lowest bits [`Self::flow_mark`], which is the same in both directions.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// The longest gap in packets, a power of two, less one. Zero: all packets are taken.
    pub packet_mask: u32,
    /// Which bits of the ports tell connections that are watched.
    pub flow_mask: u32,
    /// What they are. Not within the mask: none is watched.
    pub flow_mark: u32,
    /// How many packets each CPU takes in a jiffy at most, whatever the others say.
    pub per_jiffy: u32,
}

impl Sampling {
    /// No packet is taken but for one in four billion, and that is let go.
    pub const OFF: Self = Self {
        packet_mask: u32::MAX,
        flow_mask: 0,
        flow_mark: 1,
        per_jiffy: 0,
    };
}

/// What a CPU knows of the packets that it has taken.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleGauge {
    /// Goes up by one with every packet. One is taken where it is zero within the mask; then it goes on
    /// from a number that is as good as random.
    pub seen: u32,
    /// The jiffy of the last packet that was taken (`bpf_jiffies64`, its lower half).
    pub jiffy: u32,
    /// How many were taken in it.
    pub taken: u32,
    /// Packets of those now and then for which there was no room, wrapping at 2^32.
    pub no_room: u32,
    /// Those that were more than a jiffy's, or came in a pause, wrapping at 2^32.
    pub over_limit: u32,
    /// How many more packets are let go before the next one is taken: where one was not, the next will hardly be.
    pub pause: u32,
}

/// How many packets are let go where one was not taken.
pub const SAMPLE_PAUSE: u32 = 256;

/// The first bytes of a frame that are taken.
pub const SAMPLE_BYTES: usize = 256;

/// A packet that was taken.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What is known of it.
    pub head: SampleHead,
    /// How the frame begins, after it was changed, if it was. What is behind [`SampleHead::taken_bytes`] means nothing.
    pub bytes: [u8; SAMPLE_BYTES],
}

/// What is known of a packet that was taken.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleHead {
    /// When (`bpf_ktime_get_ns`).
    pub time_ns: u64,
    /// Number of the interface (`ifindex`).
    pub ifindex: u32,
    /// The CPU that it arrived on.
    pub cpu: u32,
    /// Length of the frame, without FCS.
    pub frame_bytes: u32,
    /// How many of [`Sample::bytes`] are the frame's.
    pub taken_bytes: u32,
    /// Generation of the policy that the packet was in.
    pub generation: u32,
    /// What a rule says, or the default ([`crate::policy::RuleEntry::verdict`]); [`NOT_CLASSIFIED`].
    pub verdict: u32,
    /// Number of the rule's counter; [`NO_RULE`].
    pub rule: u32,
    /// What became of it ([`Outcome::index`]).
    pub outcome: u32,
    /// For how many packets it stands, in halves; zero for one that is taken only because its connection is watched.
    pub stands_for_halves: u32,
    /// 1: its connection is watched.
    pub is_watched: u32,
    /// [`SampleGauge::no_room`] of the CPU when it was taken.
    pub no_room: u32,
    /// [`SampleGauge::over_limit`], likewise.
    pub over_limit: u32,
}

/// In [`SampleHead::verdict`]: rules were not asked.
pub const NOT_CLASSIFIED: u32 = u32::MAX - 5;
/// In [`SampleHead::rule`]: no rule matched, or none was asked.
pub const NO_RULE: u32 = u32::MAX;

/// What the program leaves in [`crate::classifier::lane::SAMPLE`] of a packet that is to be taken, outcome and why, beside
/// [`FOLLOWED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What became of it.
    pub outcome: u32,
    /// It is one now and then.
    pub is_due: bool,
    /// Its connection is watched.
    pub is_watched: bool,
    /// The rules were asked.
    pub is_classified: bool,
}

/// Bits of the lane.
const OUTCOME_BITS: u32 = 0xff;
const DUE: u32 = 1 << 8;
const WATCHED: u32 = 1 << 9;
const CLASSIFIED: u32 = 1 << 10;

impl Taken {
    /// What stands in the lane.
    #[inline(always)]
    pub const fn word(self) -> u32 {
        self.outcome
            | if self.is_due { DUE } else { 0 }
            | if self.is_watched { WATCHED } else { 0 }
            | if self.is_classified { CLASSIFIED } else { 0 }
    }

    /// What the lane says.
    #[inline(always)]
    pub const fn of_word(word: u32) -> Self {
        Self {
            outcome: word & OUTCOME_BITS,
            is_due: word & DUE != 0,
            is_watched: word & WATCHED != 0,
            is_classified: word & CLASSIFIED != 0,
        }
    }
}

/// Bytes of the ring buffer, a power of two and whole pages: room for some 6,000 packets.
pub const SAMPLE_RING_BYTES: u32 = 2 << 20;

const _: () = assert!(size_of::<Sampling>() == 16 && size_of::<SampleGauge>() == 24);
const _: () = assert!(size_of::<SampleHead>() == 56 && align_of::<SampleHead>() == 8);
const _: () = assert!(size_of::<Sample>() == 56 + SAMPLE_BYTES && align_of::<Sample>() == 8);
const _: () = assert!(Outcome::ALL.len() <= 256);
const _: () = assert!(FOLLOWED & (OUTCOME_BITS | DUE | WATCHED | CLASSIFIED) == 0);
