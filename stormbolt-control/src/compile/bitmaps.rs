//! The table of distinct bitmaps.

use std::collections::HashMap;

use stormbolt_common::classifier::{BITMAP_WORDS, RuleBitmap};
use stormbolt_common::limits::MAX_BITMAPS;

/// The table is full.
#[derive(Debug)]
pub(super) struct Full;

/// Distinct bitmaps, numbered in order of first use.
pub(super) struct Bitmaps {
    rows: Vec<RuleBitmap>,
    numbers: HashMap<RuleBitmap, u32>,
}

impl Bitmaps {
    /// A table with the bitmap that accepts everything as its first.
    pub(super) fn new() -> Self {
        let all = RuleBitmap {
            words: [u64::MAX; BITMAP_WORDS],
        };
        Self {
            rows: vec![all],
            numbers: HashMap::from([(all, 0)]),
        }
    }

    /// Number of `bitmap`, which is added if it is new.
    pub(super) fn number(&mut self, bitmap: RuleBitmap) -> Result<u32, Full> {
        if let Some(&number) = self.numbers.get(&bitmap) {
            return Ok(number);
        }
        let number = u32::try_from(self.rows.len()).map_err(|_| Full)?;
        if number >= MAX_BITMAPS {
            return Err(Full);
        }
        self.rows.push(bitmap);
        self.numbers.insert(bitmap, number);
        Ok(number)
    }

    pub(super) fn into_rows(self) -> Vec<RuleBitmap> {
        self.rows
    }
}

/// The empty bitmap.
pub(super) const NONE: RuleBitmap = RuleBitmap {
    words: [0; BITMAP_WORDS],
};

/// Sets or clears the bit of `rule`; rules beyond the bitmap are the caller's error and ignored.
pub(super) fn set(bitmap: &mut RuleBitmap, rule: usize, accepts: bool) {
    if let Some(word) = bitmap.words.get_mut(rule / 64) {
        let bit = 1 << (rule % 64);
        if accepts { *word |= bit } else { *word &= !bit }
    }
}
