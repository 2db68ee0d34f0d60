//! Programs of others that go on with the packets which StormBolt passes.

use crate::limits::{MAX_INTERFACES, interface_rate_index};
use crate::policy::POLICY_SLOTS;

/// Bit of [`crate::classifier::lane::SAMPLE`], beside [`crate::sample::Taken`]: a program of somebody else may go on with the
/// packet. It stands in a word that is tested of every packet anyway.
pub const FOLLOWED: u32 = 1 << 11;

/// Entries in the table of these programs: those of the policies side by side, by interface.
pub const FOLLOWERS: u32 = POLICY_SLOTS * MAX_INTERFACES;

/// Index of the program that goes on with packets of an interface, in the table that holds those of the policies side by
/// side.
#[inline(always)]
pub const fn follower_index(policy_slot: u32, interface: u32) -> u32 {
    interface_rate_index(policy_slot, interface)
}

/// The bit of an interface in [`crate::policy::Active::followed`].
#[inline(always)]
pub const fn followed_bit(interface: u32) -> u64 {
    1 << (interface % MAX_INTERFACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_has_a_bit_and_under_every_policy_a_place_of_its_own() {
        let slots = 0..POLICY_SLOTS;
        let places = slots.flat_map(|slot| (0..MAX_INTERFACES).map(move |one| (slot, one)));
        let places = places.map(|(slot, interface)| follower_index(slot, interface));
        assert!(places.eq(0..FOLLOWERS));
        let bits = (0..MAX_INTERFACES).map(followed_bit);
        assert_eq!(bits.sum::<u64>(), (1 << MAX_INTERFACES) - 1);
    }
}
