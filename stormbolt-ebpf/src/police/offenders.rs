//! Remembers which sources were refused most, in bounded memory.
//!
//! Where all places are taken, a source that is refused weakens the one that holds its place least firmly, and takes it
//! when nothing is left (the frequent-items algorithm of Misra and Gries, 1982, in each set): sources that are
//! refused more often than a fifth of their set are there for certain.

use stormbolt_common::source::{Offender, OffenderSet};

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
        if one.weight < least {
            least = one.weight;
            weakest = place;
        }
    }
    let Some(one) = set.offenders.get_mut(weakest) else {
        return;
    };
    if least > 0 {
        one.weight = least - 1;
        return;
    }
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
