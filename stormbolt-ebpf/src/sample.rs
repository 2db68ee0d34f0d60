//! Which packets user space sees, and which ones a program of somebody else goes on with.

use stormbolt_common::classifier::lane;
use stormbolt_common::follow::{FOLLOWED, followed_bit};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::sample::{SAMPLE_PAUSE, SampleGauge, Sampling, Taken};

use crate::police::low_half;
use crate::tables::Tables;

/// Protocol number of TCP.
const TCP: u32 = 6;

/// What is to be done with a packet before it ends with its verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// It is shown to user space.
    pub is_shown: bool,
    /// A program of somebody else goes on with it, if it passes. Where that stands is said by [`lane::INTERFACE`] and
    /// [`lane::GENERATION`].
    pub is_followed: bool,
}

impl Rest {
    /// Nothing, as with most packets.
    pub const NOTHING: Self = Self {
        is_shown: false,
        is_followed: false,
    };
}

/// What is to be done with a packet whose outcome was decided in [`crate::pipeline::begin`]: nothing is known of its
/// connection.
#[inline(always)]
pub fn rest_early<T: Tables>(tables: &mut T, outcome: Outcome) -> Rest {
    let sampling = tables.sampling();
    let rest = Rest {
        is_shown: is_due(tables.sample_gauge(), sampling)
            && !is_in_pause(tables.sample_gauge(), true),
        is_followed: (tables.interface())
            .is_some_and(|interface| tables.followed() & followed_bit(interface) != 0),
    };
    if rest == Rest::NOTHING {
        return rest;
    }
    let taken = Taken {
        outcome: outcome.index(),
        is_due: rest.is_shown,
        is_watched: false,
        is_classified: false,
    };
    tables.set_lane(lane::SAMPLE, taken.word() | followed_word(rest.is_followed));
    // The parser has said these only of what it took.
    let generation = tables.generation();
    tables.set_lane(lane::GENERATION, generation);
    let interface = tables.interface().unwrap_or(0);
    tables.set_lane(lane::INTERFACE, interface);
    rest
}

/// Says in [`lane::SAMPLE`] what is to be done with the packet in the lanes, once it has been through all stages.
#[inline(always)]
pub fn choose<T: Tables>(tables: &mut T) {
    let sampling = tables.sampling();
    let is_due = is_due(tables.sample_gauge(), sampling);
    let is_watched = is_watched(tables, sampling);
    let word = if is_due || is_watched {
        let taken = Taken {
            outcome: 0,
            is_due,
            is_watched,
            is_classified: true,
        };
        taken.word()
    } else {
        0
    };
    let followed = tables.followed();
    let is_followed = followed != 0 && followed & followed_bit(tables.lane(lane::INTERFACE)) != 0;
    tables.set_lane(lane::SAMPLE, word | followed_word(is_followed));
}

/// What is to be done with it, now that this is its outcome.
#[inline(always)]
pub fn rest<T: Tables>(tables: &mut T, outcome: Outcome) -> Rest {
    let chosen = tables.lane(lane::SAMPLE);
    if chosen == 0 {
        return Rest::NOTHING;
    }
    let taken = Taken {
        outcome: outcome.index(),
        ..Taken::of_word(chosen)
    };
    let is_wanted = taken.is_due || taken.is_watched;
    let is_shown = is_wanted && !is_in_pause(tables.sample_gauge(), taken.is_due);
    let is_followed = chosen & FOLLOWED != 0;
    if is_shown {
        tables.set_lane(lane::SAMPLE, taken.word() | followed_word(is_followed));
    }
    Rest {
        is_shown,
        is_followed,
    }
}

/// The same for a packet that is not shown, or has been: what [`lane::SAMPLE`] says of it beside.
#[inline(always)]
pub const fn rest_unless_shown(word: u32) -> Rest {
    Rest {
        is_shown: false,
        is_followed: word & FOLLOWED != 0,
    }
}

/// The bit of [`lane::SAMPLE`].
#[inline(always)]
const fn followed_word(is_followed: bool) -> u32 {
    if is_followed { FOLLOWED } else { 0 }
}

/// Takes note of a packet that is taken, in this jiffy; `false`: it is one too many. `random` says after how many others the
/// next one is.
#[inline(always)]
pub fn enter(
    gauge: &mut SampleGauge,
    sampling: Sampling,
    taken: Taken,
    jiffy: u32,
    random: u32,
) -> bool {
    if taken.is_due {
        gauge.seen = random;
    }
    if gauge.jiffy != jiffy {
        gauge.jiffy = jiffy;
        gauge.taken = 0;
    }
    if gauge.taken >= sampling.per_jiffy {
        gauge.pause = SAMPLE_PAUSE;
        gauge.over_limit = gauge.over_limit.wrapping_add(u32::from(taken.is_due));
        return false;
    }
    gauge.taken = gauge.taken.wrapping_add(1);
    true
}

/// Takes note of a packet for which there was no room.
#[inline(always)]
pub fn no_room(gauge: &mut SampleGauge, taken: Taken) {
    gauge.pause = SAMPLE_PAUSE;
    gauge.no_room = gauge.no_room.wrapping_add(u32::from(taken.is_due));
}

/// For how many packets a due one stands, in halves: half of one more than the longest gap, which the gaps are on average.
#[inline(always)]
pub const fn stands_for_halves(sampling: Sampling, taken: Taken) -> u32 {
    if taken.is_due {
        sampling.packet_mask.saturating_add(2)
    } else {
        0
    }
}

/// Whether a packet is let go since one before was. So one that is not taken costs next to nothing, when nobody reads
/// them as well.
#[inline(always)]
fn is_in_pause(gauge: &mut SampleGauge, is_due: bool) -> bool {
    if gauge.pause == 0 {
        return false;
    }
    gauge.pause = gauge.pause.wrapping_sub(1);
    gauge.over_limit = gauge.over_limit.wrapping_add(u32::from(is_due));
    true
}

#[inline(always)]
fn is_due(gauge: &mut SampleGauge, sampling: Sampling) -> bool {
    gauge.seen = gauge.seen.wrapping_add(1);
    gauge.seen & sampling.packet_mask == 0
}

#[inline(always)]
fn is_watched<T: Tables>(tables: &T, sampling: Sampling) -> bool {
    let ports = tables.flow_words().ports;
    let (ours, theirs) = (low_half(ports), low_half(ports >> 16));
    (ours ^ theirs) & sampling.flow_mask & 0xffff == sampling.flow_mark
        && tables.lane(lane::PROTOCOL) == TCP
}
