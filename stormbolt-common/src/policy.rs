//! The head of a policy and its rules, as the XDP program reads them.

use crate::classifier::{Edge, TREES};
use crate::flow_cache::FlowMask;
use crate::sample::Sampling;

/// The generation in force, and what does not change with it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// What is in force ([`InForce`]), read once per packet.
    pub in_force: u64,
    /// Seed of the flow hash, random per load, so that nobody can aim flows at one slot.
    pub hash_seed: u64,
    /// From this time on (`bpf_ktime_get_ns`) the controller is taken to be silent, and classes are held
    /// to [`crate::police::ClassRate::failsafe_cost_per_byte`]. The controller keeps moving it.
    pub silent_from_ns: u64,
    /// Which packets are shown to user space. It stands here because every packet looks here anyway.
    pub sampling: Sampling,
    /// Interfaces for which a program of somebody else may go on with what passes, under the policy in force or the one that is
    /// about to be ([`crate::follow::followed_bit`]). It stands here for the same reason.
    pub followed: u64,
}

/// Policy and rates in force, as one word: no packet sees a policy beside rates of another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// Generation of the policy; its lowest bit selects the slot of every table that a policy has of its own.
    /// Zero: none yet, everything passes.
    pub generation: u32,
    /// Another number, never zero, whenever a policy or rates have come into force. A CPU whose copy of a class's terms has the
    /// same number uses that. The numbers come again after 2^32 intervals, 13 years of 100 ms; a copy that was used last exactly then
    /// would hold once more for what is left of its lease.
    pub epoch: u32,
}

impl InForce {
    /// What [`Active::in_force`] says.
    #[inline(always)]
    pub const fn of_word(word: u64) -> Self {
        Self {
            generation: lower_half(word),
            epoch: lower_half(word >> 32),
        }
    }

    /// The word that says so.
    #[inline(always)]
    #[expect(clippy::as_conversions, reason = "constant; widening")]
    pub const fn word(self) -> u64 {
        self.generation as u64 | (self.epoch as u64) << 32
    }

    /// The same policy with other rates.
    #[must_use]
    pub const fn with_other_rates(self) -> Self {
        let epoch = match self.epoch.wrapping_add(1) {
            0 => 1,
            epoch => epoch,
        };
        Self { epoch, ..self }
    }
}

#[inline(always)]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "takes the lower half"
)]
const fn lower_half(word: u64) -> u32 {
    word as u32
}

/// Policies side by side: the one in force and the next.
pub const POLICY_SLOTS: u32 = 2;

/// The slot that generation `generation` lives in.
#[inline(always)]
pub const fn policy_slot(generation: u32) -> u32 {
    generation % POLICY_SLOTS
}

/// What holds for the whole policy.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyHeader {
    /// Generation of this policy.
    pub generation: u32,
    /// Class of packets that no rule matches; coded as [`RuleEntry::verdict`].
    pub default_class: u32,
    /// 1: malformed packets pass; 0: they are dropped.
    pub malformed_pass: u32,
    /// Bits [`SOURCE_SETS`] and [`DESTINATION_SETS`].
    pub used_sets: u32,
}

/// Bit of [`PolicyHeader::used_sets`]: rules ask for the sets that the source address is in.
pub const SOURCE_SETS: u32 = 1;
/// Bit of [`PolicyHeader::used_sets`]: rules ask for the sets that the destination address is in.
pub const DESTINATION_SETS: u32 = 2;

/// The roots of one address family.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FamilyRoots {
    /// Trees of rules, those that there are first. The rule that counts is the one with the lowest
    /// priority of all that the trees find.
    pub rules: [Edge; TREES],
    /// The tree that gives the class of sets of an address; classes are numbers that the leaves
    /// compare.
    pub sets: Edge,
}

/// A policy as the program finds it, one per slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyEntry {
    /// What holds for the whole policy.
    pub header: PolicyHeader,
    /// The roots of IPv4, then of IPv6.
    pub roots: [FamilyRoots; 2],
    /// What of packets the rules look at.
    pub flows: FlowMask,
}

/// What a rule does with the packets that it matches.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleEntry {
    /// A class number below [`crate::limits::MAX_CLASSES`], [`VERDICT_PASS`] or [`VERDICT_DROP`].
    pub verdict: u32,
    /// Number of the rule's counter, which stays with the rule over changes of policy.
    pub counter: u32,
}

/// [`RuleEntry::verdict`] of a rule that passes packets untouched.
pub const VERDICT_PASS: u32 = u32::MAX;
/// [`RuleEntry::verdict`] of a rule that drops packets.
pub const VERDICT_DROP: u32 = u32::MAX - 1;
/// [`RuleEntry::verdict`] of a rule that would drop packets and passes them.
pub const VERDICT_SHADOW_DROP: u32 = u32::MAX - 4;

const _: () = assert!(size_of::<Active>() == 48 && align_of::<Active>() == 8);
const _: () = assert!(size_of::<PolicyHeader>() == 16 && align_of::<PolicyHeader>() == 4);
const _: () = assert!(size_of::<FamilyRoots>() == 40 && align_of::<FamilyRoots>() == 8);
const _: () = assert!(size_of::<PolicyEntry>() == 152 && align_of::<PolicyEntry>() == 8);
const _: () = assert!(size_of::<RuleEntry>() == 8 && align_of::<RuleEntry>() == 4);
