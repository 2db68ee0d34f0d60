//! The head of a policy and its rules, as the XDP program reads them.

/// The generation in force, and what does not change with it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// Generation of the policy in force, read once per packet; its lowest bit selects the slot of
    /// every map-in-map. Zero: none yet, everything passes.
    pub generation: u32,
    /// Zero.
    pub reserved: u32,
    /// Seed of the flow hash, random per load, so that nobody can aim flows at one slot.
    pub hash_seed: u64,
}

/// Map-in-map slots: one for the policy in force, one for the next.
pub const POLICY_SLOTS: u32 = 2;

/// The map-in-map slot that generation `generation` lives in.
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
    /// Bit `f` is set when a rule looks at field `f` ([`crate::classifier::Field`]).
    pub used_fields: u32,
    /// Words of each rule bitmap that hold rules, 0 to 16.
    pub bitmap_words: u32,
    /// 1: malformed packets pass; 0: they are dropped.
    pub malformed_pass: u32,
    /// Zero.
    pub reserved: u32,
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

const _: () = assert!(size_of::<Active>() == 16 && align_of::<Active>() == 8);
const _: () = assert!(size_of::<PolicyHeader>() == 24 && align_of::<PolicyHeader>() == 4);
const _: () = assert!(size_of::<RuleEntry>() == 8 && align_of::<RuleEntry>() == 4);
