//! Halves of words.

/// The lower half.
#[inline(always)]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "takes the lower half"
)]
pub(super) const fn low(word: u64) -> u32 {
    word as u32
}

/// The upper half.
#[inline(always)]
pub(super) const fn high(word: u64) -> u32 {
    low(word >> 32)
}
