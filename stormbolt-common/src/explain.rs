//! What the explaining program says about one frame.

use crate::outcome::Outcome;

/// How a frame would be classified, written by the explaining program each time it runs.
///
/// User space reads it right after it has run the program on a frame of its own; nothing else runs
/// that program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Generation of the policy that was asked; zero: none is in force.
    pub generation: u32,
    /// One of [`BY_RULE`], [`BY_DEFAULT`] and, for what is not classified, the index of its
    /// [`Outcome`].
    pub reason: u32,
    /// What becomes of the frame, coded as [`crate::policy::RuleEntry::verdict`]; zero where it is not
    /// classified.
    pub verdict: u32,
    /// Number of the counter of the rule that decided; zero where none did.
    pub counter: u32,
}

const _: () = assert!(size_of::<Explained>() == 16 && align_of::<Explained>() == 4);

/// [`Explained::reason`] of a frame that a rule has matched.
pub const BY_RULE: u32 = u32::MAX;
/// [`Explained::reason`] of a frame that no rule has matched.
pub const BY_DEFAULT: u32 = u32::MAX - 1;

impl Explained {
    /// The outcome of a frame that is not classified; `None` for one that is.
    pub fn outcome(&self) -> Option<Outcome> {
        Outcome::ALL
            .into_iter()
            .find(|outcome| outcome.index() == self.reason)
    }
}
