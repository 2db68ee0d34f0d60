//! Sizes of the tables. Each is a bound that a policy is checked against before it is applied.

/// Bits of a class number.
pub const CLASS_BITS: u32 = 17;
/// Classes in one policy, where the tables are made for so many ([`CellLayout`]).
pub const MAX_CLASSES: u32 = 1 << CLASS_BITS;
/// Interfaces that StormBolt can be attached to at once.
pub const MAX_INTERFACES: u32 = 16;
/// Interface numbers (`ifindex`) that can be looked up: 0 up to this, exclusive.
pub const MAX_IFINDEX: u32 = 65_536;
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
const _: () = assert!(MAX_INTERFACES.is_power_of_two() && MAX_RULES.is_power_of_two());

/// The pair of an interface and a class, which has a bucket, a rate and counters of its own: one number,
/// whatever the size of the tables. What is out of range wraps.
#[inline(always)]
pub const fn cell(interface: u32, class: u32) -> u32 {
    ((interface % MAX_INTERFACES) << CLASS_BITS) | (class % MAX_CLASSES)
}

/// So many entries of any size that is a multiple of eight bytes are whole cache lines, so that no two CPUs' entries are in
/// one.
const FEWEST_CLASSES: u32 = 8;

/// How many classes and interfaces the tables have room for, and where in them the entries of a cell stand.
///
/// A hundred thousand classes on sixteen interfaces would take most of a gigabyte, so the tables are made
/// for what is asked for, when the program is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellLayout {
    class_bits: u32,
    /// Number of cells, less one.
    mask: u32,
}

impl CellLayout {
    /// Where nobody says otherwise.
    pub const DEFAULT: Self = Self::with_room_for(1024, MAX_INTERFACES);

    /// Room for so many classes on so many interfaces: at least one, rounded up to powers of two, and as
    /// many as there can be at most. Of classes [`FEWEST_CLASSES`] at least.
    pub const fn with_room_for(classes: u32, interfaces: u32) -> Self {
        let classes = if classes < FEWEST_CLASSES {
            FEWEST_CLASSES
        } else {
            power_of_two_up_to(classes, MAX_CLASSES)
        };
        let interfaces = power_of_two_up_to(interfaces, MAX_INTERFACES);
        Self {
            class_bits: classes.trailing_zeros(),
            mask: classes * interfaces - 1,
        }
    }

    /// The layout of which [`Self::class_bits`] and [`Self::mask`] were said.
    #[inline(always)]
    pub const fn from_parts(class_bits: u32, mask: u32) -> Self {
        Self { class_bits, mask }
    }

    /// Bits of the class in an index.
    pub const fn class_bits(self) -> u32 {
        self.class_bits
    }

    /// All bits of an index.
    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// Number of classes.
    pub const fn classes(self) -> u32 {
        1 << self.class_bits
    }

    /// Number of interfaces.
    pub const fn interfaces(self) -> u32 {
        self.cells() >> self.class_bits
    }

    /// Number of cells.
    pub const fn cells(self) -> u32 {
        self.mask + 1
    }

    /// Index of the entries of `cell`, below [`Self::cells`]: what there is no room for wraps.
    #[inline(always)]
    pub const fn index(self, cell: u32) -> u32 {
        // The mask keeps the shift in range where the compiler does not know that it is.
        let class_bits = self.class_bits % 32;
        let class = cell & ((1 << class_bits) - 1);
        (((cell >> CLASS_BITS) << class_bits) | class) & self.mask
    }
}

const fn power_of_two_up_to(wanted: u32, limit: u32) -> u32 {
    if wanted >= limit {
        limit
    } else if wanted == 0 {
        1
    } else {
        wanted.next_power_of_two()
    }
}

/// Index of an interface's rate in the table that holds those of the policies side by side.
#[inline(always)]
pub const fn interface_rate_index(policy_slot: u32, interface: u32) -> u32 {
    policy_slot * MAX_INTERFACES + interface % MAX_INTERFACES
}

/// Index of the rate of a cell in the table that holds the rates of the policies side by side.
#[inline(always)]
pub const fn rate_index(layout: CellLayout, policy_slot: u32, cell: u32) -> u32 {
    policy_slot * layout.cells() + layout.index(cell)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cell_that_there_is_room_for_has_an_index_of_its_own() {
        for (classes, interfaces) in [(1, 1), (4, 2), (1024, MAX_INTERFACES)] {
            let layout = CellLayout::with_room_for(classes, interfaces);
            let pairs = (0..interfaces).flat_map(|one| (0..classes).map(move |class| (one, class)));
            let indices = pairs.map(|(interface, class)| layout.index(cell(interface, class)));
            let indices: BTreeSet<u32> = indices.filter(|one| *one < layout.cells()).collect();
            assert_eq!(
                indices.len(),
                usize::try_from(classes * interfaces).unwrap()
            );
        }
    }

    #[test]
    fn room_is_made_in_powers_of_two_and_within_the_limits() {
        let layout = CellLayout::with_room_for(100_000, 3);
        assert_eq!((layout.classes(), layout.interfaces()), (131_072, 4));
        let layout = CellLayout::with_room_for(u32::MAX, u32::MAX);
        assert_eq!(
            (layout.classes(), layout.interfaces()),
            (MAX_CLASSES, MAX_INTERFACES)
        );
        let layout = CellLayout::with_room_for(0, 0);
        assert_eq!((layout.cells(), layout.index(cell(9, 7))), (8, 7));
    }
}
