//! Arrays in kernel memory, mapped into ours: reads and writes without system calls.

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use aya::Pod;
use aya::maps::{Map, MapData};
use memmap2::{MmapOptions, MmapRaw};

use super::error::DatapathError;

/// A BPF array with `BPF_F_MMAPABLE`.
///
/// The kernel reads and writes it at the same time, so entries are copied word by word with relaxed
/// atomics: a word is never torn, an entry may be.
pub(super) struct MappedArray<T> {
    memory: MmapRaw,
    entries: usize,
    entry: PhantomData<T>,
}

impl<T: Pod + Default> MappedArray<T> {
    /// Distance between entries: the kernel rounds the size up to eight bytes.
    const STRIDE: usize = size_of::<T>().next_multiple_of(8);

    /// Maps `map`, which has `entries` entries of type `T`.
    pub(super) fn new(
        name: &'static str,
        map: &MapData,
        entries: usize,
    ) -> Result<Self, DatapathError> {
        const { assert!(align_of::<T>() <= 4096 && size_of::<T>().is_multiple_of(4)) };
        let memory = MmapOptions::new()
            .len(entries * Self::STRIDE)
            .map_raw(map.fd().as_fd().as_raw_fd())
            .map_err(|source| DatapathError::Memory { name, source })?;
        Ok(Self {
            memory,
            entries,
            entry: PhantomData,
        })
    }

    /// Maps the array that `map` must be.
    pub(super) fn of(name: &'static str, map: &Map, entries: usize) -> Result<Self, DatapathError> {
        if let Map::Array(data) = map {
            Self::new(name, data, entries)
        } else {
            Err(DatapathError::Missing {
                kind: "array",
                name,
            })
        }
    }

    /// Copies entry `index`; `None` beyond the end.
    pub(super) fn get(&self, index: usize) -> Option<T> {
        let entry = self.entry(index)?;
        let mut value = T::default();
        let bytes = (&raw mut value).cast::<u8>();
        for offset in (0..size_of::<T>()).step_by(8) {
            // SAFETY: `offset` lies within `value`.
            let target = unsafe { bytes.add(offset) };
            if size_of::<T>() - offset >= 8 {
                let word = self.long_word(entry, offset).load(Ordering::Relaxed);
                // SAFETY: eight bytes from `offset` on lie within `value`.
                unsafe { target.cast::<u64>().write_unaligned(word) };
            } else {
                let word = self.word(entry, offset).load(Ordering::Relaxed);
                // SAFETY: the size is a multiple of four, so four bytes are left in `value`.
                unsafe { target.cast::<u32>().write_unaligned(word) };
            }
        }
        Some(value)
    }

    /// Overwrites entry `index`; beyond the end nothing happens and the answer is `false`.
    pub(super) fn set(&self, index: usize, value: T) -> bool {
        let Some(entry) = self.entry(index) else {
            return false;
        };
        let bytes = (&raw const value).cast::<u8>();
        for offset in (0..size_of::<T>()).step_by(8) {
            // SAFETY: `offset` lies within `value`.
            let source = unsafe { bytes.add(offset) };
            if size_of::<T>() - offset >= 8 {
                // SAFETY: eight bytes from `offset` on lie within `value`.
                let word = unsafe { source.cast::<u64>().read_unaligned() };
                self.long_word(entry, offset).store(word, Ordering::Relaxed);
            } else {
                // SAFETY: the size is a multiple of four, so four bytes are left in `value`.
                let word = unsafe { source.cast::<u32>().read_unaligned() };
                self.word(entry, offset).store(word, Ordering::Relaxed);
            }
        }
        true
    }

    /// Overwrites the word of eight bytes at `offset` of entry `index`, a multiple of eight within it; beyond the end nothing
    /// happens.
    pub(super) fn set_word(&self, index: usize, offset: usize, value: u64) {
        if let Some(entry) = self.entry(index).filter(|_| offset + 8 <= size_of::<T>()) {
            self.long_word(entry, offset & !7)
                .store(value, Ordering::Relaxed);
        }
    }

    /// Where entry `index` begins in the mapping.
    fn entry(&self, index: usize) -> Option<usize> {
        (index < self.entries).then(|| index * Self::STRIDE)
    }

    /// The eight bytes at `offset` of the entry that begins at `entry`.
    fn long_word(&self, entry: usize, offset: usize) -> &AtomicU64 {
        // SAFETY: entries come from `entry` and `offset` lies within one, so this is in the mapping.
        let word = unsafe { self.memory.as_mut_ptr().add(entry + offset) }.cast::<()>();
        // SAFETY: the mapping begins at a page and `entry + offset` is a multiple of eight; the
        // kernel writes the word whole, and user space through such references only.
        unsafe { &*word.cast::<AtomicU64>() }
    }

    /// The four bytes at `offset`, likewise.
    fn word(&self, entry: usize, offset: usize) -> &AtomicU32 {
        // SAFETY: as in `long_word`.
        let word = unsafe { self.memory.as_mut_ptr().add(entry + offset) }.cast::<()>();
        // SAFETY: as in `long_word`.
        unsafe { &*word.cast::<AtomicU32>() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::require_root;
    use stormbolt_common::police::ClassRate;

    #[test]
    fn what_is_written_is_read_for_entries_of_every_size() {
        if !require_root("what_is_written_is_read_for_entries_of_every_size") {
            return;
        }
        let map = |size| {
            let definition = aya_obj::Map::new_from_params(2, 4, size, 3, 1 << 10);
            MapData::create(definition, "test", None).unwrap()
        };
        let small = MappedArray::<u32>::new("small", &map(4), 3).unwrap();
        assert!(small.set(2, 7) && !small.set(3, 9));
        assert_eq!(
            (small.get(1), small.get(2), small.get(3)),
            (Some(0), Some(7), None)
        );
        let large = MappedArray::<ClassRate>::new("large", &map(64), 3).unwrap();
        let rate = ClassRate {
            cost_per_byte: 1,
            burst_ns: 2,
            lease_ns: 3,
            cpu_set: 4,
            reserved: [5; 3],
            reserve_ns: 6,
            ..ClassRate::default()
        };
        assert!(large.set(1, rate));
        assert_eq!(large.get(1), Some(rate));
        assert_eq!(large.get(0), Some(ClassRate::default()));
    }
}
