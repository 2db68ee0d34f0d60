//! Rules as boxes: one source prefix, one destination prefix, and what is accepted of the rest.

use super::prefix::Prefix;

/// Where the words of an item's addresses stand: P is 2 for IPv4 and 8 for IPv6, source first.
pub(super) type Words<const P: usize> = [u32; P];

/// A box of packets that a rule accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<const P: usize> {
    /// The addresses' bits that count.
    pub(super) value: Words<P>,
    /// Which bits count.
    pub(super) mask: Words<P>,
    /// Index of its [`Fields`].
    pub(super) fields: u32,
    /// Slot of its rule.
    pub(super) rule: u32,
}

/// The words of IPv4 addresses or masks.
pub(super) fn ipv4_words(source: u128, destination: u128) -> Words<2> {
    [low_word(source), low_word(destination)]
}

/// The words of IPv6 addresses or masks.
pub(super) fn ipv6_words(source: u128, destination: u128) -> Words<8> {
    let word = |address: u128, index: u32| low_word(address >> (96 - 32 * index));
    [
        word(source, 0),
        word(source, 1),
        word(source, 2),
        word(source, 3),
        word(destination, 0),
        word(destination, 1),
        word(destination, 2),
        word(destination, 3),
    ]
}

/// The lowest 32 bits.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "takes the lowest word"
)]
const fn low_word(number: u128) -> u32 {
    number as u32
}

/// The prefix in `P / 2` words.
fn prefix(value: &[u32], mask: &[u32]) -> Prefix {
    let join = |words: &[u32]| {
        let words = words.iter();
        words.fold(0, |number: u128, &word| number << 32 | u128::from(word))
    };
    Prefix {
        first: join(value),
        mask: join(mask),
    }
}

impl<const P: usize> Item<P> {
    /// Source and destination.
    pub(super) fn prefixes(&self) -> [Prefix; 2] {
        let (source, destination) = self.value.split_at(P / 2);
        let (source_mask, destination_mask) = self.mask.split_at(P / 2);
        [
            prefix(source, source_mask),
            prefix(destination, destination_mask),
        ]
    }
}
