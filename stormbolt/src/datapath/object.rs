//! The compiled objects, embedded by `build.rs`.

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

/// The frame generator.
pub(super) fn generator() -> &'static [u8] {
    &GENERATOR.0
}
