//! Remembers which sources were refused most, in bounded memory.
//!
//! Where all places are taken, a source that is refused weakens all that hold one, and takes the place of one that has
//! nothing left (the frequent-items algorithm of Misra and Gries, 1982, in each set): sources that are refused more
//! often than a fifth of their set are there for certain. One that has not been refused for a while holds its place no
//! longer, or those of an attack that is over would hide those of the next one.

use stormbolt_common::source::{Offender, OffenderSet};

/// Jiffies (1 to 10 ms each) without a refusal after which a source holds its place no longer.
const STALE: u32 = 1 << 14;

/// Takes note that a packet of `bytes` bytes was refused.
#[inline(always)]
pub fn note_offender(set: &mut OffenderSet, halves: [u64; 2], cell: u32, bytes: u64, jiffy: u32) {
    let mut weakest = 0;
    let mut least = u32::MAX;
    for (place, one) in set.offenders.iter_mut().enumerate() {
        if one.weight > 0 && one.cell == cell && one.halves == halves {
            one.weight = one.weight.saturating_add(1);
            one.packets = one.packets.wrapping_add(1);
            one.bytes = one.bytes.wrapping_add(bytes);
            one.jiffy = jiffy;
            return;
        }
        let weight = if jiffy.wrapping_sub(one.jiffy) < STALE {
            one.weight
        } else {
            0
        };
        if weight < least {
            least = weight;
            weakest = place;
        }
    }
    if least > 0 {
        for one in &mut set.offenders {
            one.weight = one.weight.saturating_sub(1);
        }
        return;
    }
    if let Some(one) = set.offenders.get_mut(weakest) {
        *one = Offender {
            halves,
            packets: 1,
            bytes,
            cell,
            weight: 1,
            jiffy,
            reserved: 0,
        };
    }
}
