//! Sizes of the tables. Each is a bound that a policy is checked against before it is applied.

/// Classes in one policy.
pub const MAX_CLASSES: u32 = 1024;
/// Interfaces that StormBolt can be attached to at once.
pub const MAX_INTERFACES: u32 = 16;
/// Interface numbers (`ifindex`) that can be looked up: 0 up to this, exclusive.
pub const MAX_IFINDEX: u32 = 65_536;
/// Pairs of interface and class: a class has a bucket and a rate of its own on every interface.
pub const MAX_CELLS: u32 = MAX_INTERFACES * MAX_CLASSES;
/// Rules in one policy.
pub const MAX_RULES: u32 = 131_072;
/// Distinct CPU sets among the classes of one policy.
pub const MAX_CPU_SETS: u32 = 64;
/// Slots that the flow-hash space of one CPU set is partitioned into; a power of two.
pub const SLOTS_PER_CPU_SET: u32 = 1024;
/// Slots over all CPU sets.
pub const MAX_SLOTS: u32 = MAX_CPU_SETS * SLOTS_PER_CPU_SET;
/// CPUs that packets can be steered to.
pub const MAX_CPUS: u32 = 1024;

const _: () = assert!(SLOTS_PER_CPU_SET.is_power_of_two());
const _: () = assert!(MAX_CLASSES.is_power_of_two() && MAX_RULES.is_power_of_two());

/// Index of the bucket, rate and counters of `class` on `interface`.
///
/// The result is below [`MAX_CELLS`] for all arguments: what is out of range wraps, so the
/// verifier needs no branch to see that the index is in bounds.
#[inline(always)]
pub const fn cell(interface: u32, class: u32) -> u32 {
    (interface % MAX_INTERFACES) * MAX_CLASSES + class % MAX_CLASSES
}

/// Index of an interface's rate in the table that holds those of the policies side by side.
#[inline(always)]
pub const fn interface_rate_index(policy_slot: u32, interface: u32) -> u32 {
    policy_slot * MAX_INTERFACES + interface % MAX_INTERFACES
}

/// Index of the rate of a cell in the table that holds the rates of the policies side by side.
#[inline(always)]
pub const fn rate_index(policy_slot: u32, cell: u32) -> u32 {
    policy_slot * MAX_CELLS + cell % MAX_CELLS
}
