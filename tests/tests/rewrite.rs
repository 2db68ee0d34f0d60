//! Marks and code points: what changes in a packet, and that nothing else does.

use std::cell::Cell;

use proptest::prelude::*;
use stormbolt_ebpf::rewrite::{is_ecn_capable, mark_congestion, set_dscp};

/// The checksum of an IPv4 header with its own field left out (RFC 791).
fn checksum(header: &[u8]) -> u16 {
    let (words, _) = header.as_chunks();
    let others = words.iter().enumerate().filter(|(place, _)| *place != 5);
    let sum: u32 = others
        .map(|(_, word)| u32::from(u16::from_be_bytes(*word)))
        .sum();
    // Ten words of at most 0xffff: after two folds nothing is carried any more.
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    !u16::try_from(fold(fold(sum))).expect("the sum is folded")
}

/// Both ways of writing zero are right in ones' complement.
fn same(a: u16, b: u16) -> bool {
    a == b || (a.min(b), a.max(b)) == (0, 0xffff)
}

proptest! {
    #[test]
    fn an_ipv4_header_has_the_new_traffic_class_and_a_right_checksum(
        mut header: [u8; 20],
        before in prop::sample::select(vec![14_usize, 18, 22]),
        dscp in 0..64_u8,
        mark: bool,
    ) {
        header[0] = 0x45;
        let sum = checksum(&header).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        let mut frame = vec![0xa5; before];
        frame.extend(header);
        let original = frame.clone();
        let cells = Cell::from_mut(frame.as_mut_slice()).as_slice_of_cells();
        let capable = is_ecn_capable(cells, before);
        if mark { mark_congestion(cells, before) } else { set_dscp(cells, before, dscp) }

        prop_assert_eq!(capable, original[before + 1] & 3 != 0);
        let expected = if mark { original[before + 1] | 3 } else { dscp << 2 | original[before + 1] & 3 };
        prop_assert_eq!(frame[before + 1], expected);
        let said = u16::from_be_bytes([frame[before + 10], frame[before + 11]]);
        prop_assert!(same(said, checksum(&frame[before..])), "{said:#x}");
        for (place, (now, then)) in frame.iter().zip(&original).enumerate() {
            let may = [before + 1, before + 10, before + 11].contains(&place);
            prop_assert!(may || now == then, "byte {place}");
        }
    }

    #[test]
    fn an_ipv6_header_has_the_new_traffic_class(mut header: [u8; 40], dscp in 0..64_u8, mark: bool) {
        header[0] = 0x60 | header[0] & 0x0f;
        let class = |header: &[u8]| header[0] << 4 | header[1] >> 4;
        let original = header;
        let cells = Cell::from_mut(header.as_mut_slice()).as_slice_of_cells();
        prop_assert_eq!(is_ecn_capable(cells, 0), class(&original) & 3 != 0);
        if mark { mark_congestion(cells, 0) } else { set_dscp(cells, 0, dscp) }

        let expected = if mark { class(&original) | 3 } else { dscp << 2 | class(&original) & 3 };
        prop_assert_eq!(class(&header), expected);
        prop_assert_eq!(header[0] >> 4, 6);
        prop_assert_eq!(header[1] & 0x0f, original[1] & 0x0f);
        prop_assert_eq!(&header[2..], &original[2..]);
    }

    /// Whatever stands in the frame, and wherever it ends.
    #[test]
    fn a_frame_that_ends_early_is_left_alone(mut frame in prop::collection::vec(any::<u8>(), 0..40), offset in 0..64_usize) {
        let length = frame.len();
        let cells = Cell::from_mut(frame.as_mut_slice()).as_slice_of_cells();
        mark_congestion(cells, offset);
        set_dscp(cells, offset, 46);
        prop_assert_eq!(frame.len(), length);
    }
}
