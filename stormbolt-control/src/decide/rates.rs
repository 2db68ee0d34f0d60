//! What a class gets on an interface.
//!
//! A guarantee stands even while others use it: [`Allotment::rate`] is never below it. So the
//! rates of an interface can add up to more than its capacity, by the guarantees of idle classes,
//! until the controller has seen those send.

use crate::units::BitsPerSecond;

/// At most one part in this many of the capacity is kept for classes that are not sending.
const STARTING_ROOM_PARTS: u64 = 64;

/// What one class gets on one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allotment {
    /// The part of its demand that is met. The shares of an interface never exceed its capacity together, nor
    /// with their headroom, but for what groups are guaranteed that others use.
    pub share: BitsPerSecond,
    /// Capacity beyond that, which nobody wants now.
    pub headroom: BitsPerSecond,
    /// What stands in any case: the guarantee, cut to the ceil and the link; inside a group with a ceil the
    /// part of it that is allotted.
    pub guarantee: BitsPerSecond,
}

impl Allotment {
    /// Share and headroom.
    pub fn allotted(&self) -> BitsPerSecond {
        self.share + self.headroom
    }

    /// The rate that the class is to be held to.
    pub fn rate(&self) -> BitsPerSecond {
        self.allotted().max(self.guarantee)
    }
}

/// The demand that a class without a guarantee is credited with while it sends less.
///
/// A class that starts under a flood of lower priority finds no headroom, and with a rate of zero
/// not even its handshakes would arrive; so each class keeps this foot in the door. All of them
/// together cost the others at most 1/64 of the capacity.
pub(super) fn starting_room(capacity: BitsPerSecond, classes: usize) -> BitsPerSecond {
    let classes = u64::try_from(classes).unwrap_or(u64::MAX).max(4);
    BitsPerSecond(capacity.0 / STARTING_ROOM_PARTS / classes)
}
