//! Writes compiled rules into the array that the program walks.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::Map;
use memmap2::{MmapOptions, MmapRaw};
use stormbolt_control::compile::{Extent, Image};

use super::error::DatapathError;
use super::maps;

/// Bytes of a word.
const WORD: usize = 8;
/// Offsets into a map are multiples of this; no page is larger on the machines we run on.
const PAGE: usize = 65_536;
/// Bytes that are mapped at once: the whole array would count as this process's memory.
const WINDOW: usize = 4 << 20;

/// Writes the pieces of `image` to their places.
pub(super) fn write(map: &Map, image: &Image) -> Result<(), DatapathError> {
    let Map::Array(data) = map else {
        return Err(DatapathError::Missing {
            kind: "array",
            name: maps::BLOCKS,
        });
    };
    let failed = |source| DatapathError::Memory {
        name: maps::BLOCKS,
        source,
    };
    let info = data
        .info()
        .map_err(DatapathError::map("ask about", maps::BLOCKS))?;
    let bytes = index(info.max_entries()) * index(info.value_size());
    let mut window: Option<Window> = None;
    let mut words = image.words.as_slice();
    for &Extent {
        start,
        words: count,
    } in &image.pieces
    {
        let mut offset = index(start) * WORD;
        let (mut piece, rest) = words.split_at_checked(index(count)).unwrap_or((words, &[]));
        words = rest;
        while !piece.is_empty() {
            let at = match window.take() {
                Some(open) if open.has(offset) => open,
                _ => Window::open(data.fd().as_fd().as_raw_fd(), offset, bytes).map_err(failed)?,
            };
            let written = at.write(offset, piece);
            piece = piece.get(written..).unwrap_or_default();
            offset += written * WORD;
            window = Some(at);
        }
    }
    Ok(())
}

/// A part of the array, mapped into memory.
struct Window {
    memory: MmapRaw,
    first: usize,
    bytes: usize,
}

impl Window {
    /// Maps the part around `offset` of an array of `bytes` bytes.
    fn open(descriptor: i32, offset: usize, bytes: usize) -> std::io::Result<Self> {
        let first = offset / PAGE * PAGE;
        let size = WINDOW.min(bytes.saturating_sub(first));
        if offset >= first + size {
            return Err(std::io::Error::other("a place beyond the end of the array"));
        }
        let memory = MmapOptions::new()
            .offset(u64::try_from(first).map_err(std::io::Error::other)?)
            .len(size)
            .map_raw(descriptor)?;
        Ok(Self {
            memory,
            first,
            bytes: size,
        })
    }

    fn has(&self, offset: usize) -> bool {
        self.first <= offset && offset < self.first + self.bytes
    }

    /// Writes as many words from `offset` on as the window has, and says how many.
    fn write(&self, offset: usize, words: &[u64]) -> usize {
        let room = (self.first + self.bytes - offset) / WORD;
        for (position, word) in words.iter().take(room).enumerate() {
            let place = offset - self.first + position * WORD;
            // SAFETY: `place` lies in the mapping: `offset` does, and `room` words behind it.
            let target = unsafe { self.memory.as_mut_ptr().add(place) }.cast::<()>();
            // SAFETY: the mapping begins at a page and `place` is a multiple of eight; the kernel
            // only reads the word, and user space writes it through such references only.
            let target = unsafe { &*target.cast::<AtomicU64>() };
            target.store(*word, Ordering::Relaxed);
        }
        room.min(words.len())
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
