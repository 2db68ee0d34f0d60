//! The compiled objects, embedded by `build.rs`.

use stormbolt_common::classifier::BLOCKS_PLACEHOLDER;

use super::error::DatapathError;
use super::maps;

/// Bytes aligned as an ELF reader wants them.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static DATA_PATH: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
    env!("OUT_DIR"),
    "/stormbolt.bpf.o"
)));
static GENERATOR: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
    env!("OUT_DIR"),
    "/generator.bpf.o"
)));

/// Hash of the sources that the objects were built from, in hexadecimal.
pub const SOURCE_SHA256: &str = env!("STORMBOLT_BPF_SOURCE_SHA256");

/// The XDP program and its maps.
pub(super) fn data_path() -> &'static [u8] {
    &DATA_PATH.0
}

/// The XDP program with tables of so many blocks.
///
/// How large a map's value is stands in its type, which the library has no way to change, so the number
/// is changed in the object.
pub(super) fn data_path_with(blocks: u32) -> Result<Vec<u8>, DatapathError> {
    let placeholder = BLOCKS_PLACEHOLDER.to_le_bytes();
    let mut object = data_path().to_vec();
    let mut places = object
        .windows(placeholder.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == placeholder)
        .map(|(place, _)| place);
    let (Some(place), None) = (places.next(), places.next()) else {
        return Err(DatapathError::Missing {
            kind: "number of blocks",
            name: maps::BLOCKS,
        });
    };
    if let Some(number) = object.get_mut(place..place + placeholder.len()) {
        number.copy_from_slice(&blocks.to_le_bytes());
    }
    Ok(object)
}

/// The frame generator.
pub(super) fn generator() -> &'static [u8] {
    &GENERATOR.0
}
