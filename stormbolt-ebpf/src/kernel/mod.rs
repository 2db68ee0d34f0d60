//! The kernel's side of the stages' traits. Only this folder touches packet memory, maps and
//! helpers, and only it says `unsafe`.

mod atomic;
mod clock;
mod maps;
pub(crate) mod packet;
mod rules;
pub(crate) mod samples;
pub(crate) mod tables;

/// The object's licence: the helpers that are for GPL-compatible programs need it.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier rejects a program in which this is reachable.
    loop {}
}
