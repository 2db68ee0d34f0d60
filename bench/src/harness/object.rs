//! The benchmarks' BPF object, embedded by `build.rs`.

/// Bytes aligned as an ELF reader wants them.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/bench.bpf.o")));

/// The front, the empty program and the lookups in the kernel's own tables.
pub(super) fn programs() -> &'static [u8] {
    &OBJECT.0
}
