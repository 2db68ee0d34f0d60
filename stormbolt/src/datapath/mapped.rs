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
        match map {
            Map::Array(data) => Self::new(name, data, entries),
            _ => Err(DatapathError::Missing {
                kind: "array",
                name,
            }),
        }
    }

    /// Copies entry `index`; `None` beyond the end.
    pub(super) fn get(&self, index: usize) -> Option<T> {
        let source = self.entry(index)?;
        let mut value = T::default();
        let target = (&raw mut value).cast::<u8>();
        let mut offset = 0;
        while offset < size_of::<T>() {
            if size_of::<T>() - offset >= 8 {
                // SAFETY: eight bytes from `offset` on lie within the entry; entries are aligned
                // to eight bytes.
                let word = unsafe { &*source.add(offset).cast::<AtomicU64>() };
                // SAFETY: eight bytes from `offset` on lie within `value`.
                unsafe {
                    target
                        .add(offset)
                        .cast::<u64>()
                        .write_unaligned(word.load(Ordering::Relaxed))
                };
                offset += 8;
            } else {
                // SAFETY: the size is a multiple of four, so four bytes are left.
                let word = unsafe { &*source.add(offset).cast::<AtomicU32>() };
                // SAFETY: likewise.
                unsafe {
                    target
                        .add(offset)
                        .cast::<u32>()
                        .write_unaligned(word.load(Ordering::Relaxed))
                };
                offset += 4;
            }
        }
        Some(value)
    }

    /// Overwrites entry `index`; beyond the end nothing happens and the answer is `false`.
    pub(super) fn set(&self, index: usize, value: T) -> bool {
        let Some(target) = self.entry(index) else {
            return false;
        };
        let source = (&raw const value).cast::<u8>();
        let mut offset = 0;
        while offset < size_of::<T>() {
            if size_of::<T>() - offset >= 8 {
                // SAFETY: as in `get`.
                let word = unsafe { &*target.add(offset).cast::<AtomicU64>() };
                // SAFETY: as in `get`.
                word.store(
                    unsafe { source.add(offset).cast::<u64>().read_unaligned() },
                    Ordering::Relaxed,
                );
                offset += 8;
            } else {
                // SAFETY: as in `get`.
                let word = unsafe { &*target.add(offset).cast::<AtomicU32>() };
                // SAFETY: as in `get`.
                word.store(
                    unsafe { source.add(offset).cast::<u32>().read_unaligned() },
                    Ordering::Relaxed,
                );
                offset += 4;
            }
        }
        true
    }

    fn entry(&self, index: usize) -> Option<*mut u8> {
        if index >= self.entries {
            return None;
        }
        // SAFETY: the mapping has `entries * STRIDE` bytes and `index` is below `entries`.
        Some(unsafe { self.memory.as_mut_ptr().add(index * Self::STRIDE) })
    }
}
