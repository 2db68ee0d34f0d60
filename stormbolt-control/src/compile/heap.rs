//! Which words of the tables are in use.

use std::collections::BTreeMap;

use stormbolt_common::classifier::BLOCK_WORDS;

/// Words that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Index of the first word.
    pub start: u32,
    /// Number of words.
    pub words: u32,
}

/// There are no free words of that size in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The words of the tables: which are free, and where to look next.
#[derive(Clone, Debug)]
pub struct Heap {
    /// Free pieces by their start; neighbours are joined.
    free: BTreeMap<u32, u32>,
    free_words: u64,
    capacity: u32,
    /// Where the last piece was found: most are taken one behind the other.
    cursor: u32,
}

impl Heap {
    /// A heap of `blocks` blocks ([`BLOCK_WORDS`]), all free.
    pub fn new(blocks: u32) -> Self {
        let words = u32::try_from(BLOCK_WORDS).unwrap_or(0);
        let capacity = blocks.saturating_mul(words);
        Self {
            free: BTreeMap::from([(0, capacity)]),
            free_words: u64::from(capacity),
            capacity,
            cursor: 0,
        }
    }

    /// Words in all.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Words that are free.
    pub fn free_words(&self) -> u64 {
        self.free_words
    }

    /// Takes `words` words whose first index is a multiple of `align`, a power of two.
    ///
    /// # Errors
    /// No free piece is large enough.
    pub fn take(&mut self, words: u32, align: u32) -> Result<Extent, Full> {
        let fits = |(&start, &free): (&u32, &u32)| {
            let first = start.checked_next_multiple_of(align)?;
            let end = start.checked_add(free)?;
            (first.checked_add(words)? <= end).then_some((start, free, first))
        };
        let ahead = self.free.range(self.cursor..).find_map(fits);
        let found = ahead.or_else(|| self.free.range(..self.cursor).find_map(fits));
        let (start, free, first) = found.ok_or(Full)?;
        self.free.remove(&start);
        if first > start {
            self.free.insert(start, first - start);
        }
        let (end, taken) = (start + free, first + words);
        if taken < end {
            self.free.insert(taken, end - taken);
        }
        self.cursor = taken;
        self.free_words -= u64::from(words);
        Ok(Extent {
            start: first,
            words,
        })
    }

    /// Gives back what [`Heap::take`] gave.
    pub fn give_back(&mut self, extent: Extent) {
        if extent.words == 0 {
            return;
        }
        self.free_words += u64::from(extent.words);
        let Extent {
            mut start,
            mut words,
        } = extent;
        if let Some((&before, &length)) = self.free.range(..start).next_back()
            && before + length == start
        {
            self.free.remove(&before);
            start = before;
            words += length;
        }
        if let Some(length) = self.free.remove(&(start + words)) {
            words += length;
        }
        self.free.insert(start, words);
        // What was given back is taken first, so that the tables stay together.
        self.cursor = self.cursor.min(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_are_aligned_and_joined_again() {
        let mut heap = Heap::new(2);
        let one = heap.take(3, 1).unwrap();
        let aligned = heap.take(8, 8).unwrap();
        assert_eq!((one.start, aligned.start), (0, 8));
        assert_eq!(heap.take(6, 1), Err(Full));
        let gap = heap.take(5, 1).unwrap();
        assert_eq!(gap.start, 3);
        for extent in [one, aligned, gap] {
            heap.give_back(extent);
        }
        assert_eq!(heap.take(16, 8).unwrap().start, 0);
    }

    proptest! {
        #[test]
        fn no_word_is_given_out_twice(sizes in proptest::collection::vec((1_u32..40, 0_u32..4, any::<bool>()), 1..200)) {
            let mut heap = Heap::new(64);
            let mut taken: Vec<Extent> = Vec::new();
            for (words, align, give) in sizes {
                if give && !taken.is_empty() {
                    heap.give_back(taken.swap_remove(usize::try_from(words).unwrap() % taken.len()));
                } else if let Ok(extent) = heap.take(words, 1 << align) {
                    prop_assert_eq!(extent.start % (1 << align), 0);
                    prop_assert!(extent.start + extent.words <= heap.capacity());
                    for other in &taken {
                        prop_assert!(other.start + other.words <= extent.start || extent.start + extent.words <= other.start);
                    }
                    taken.push(extent);
                }
                let used: u64 = taken.iter().map(|extent| u64::from(extent.words)).sum();
                prop_assert_eq!(used + heap.free_words(), u64::from(heap.capacity()));
            }
        }
    }
}
