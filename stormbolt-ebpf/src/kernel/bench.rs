//! Writes the next header into the frame and goes on to the program that is measured.

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::btf_maps::{Array, LpmTrie, ProgramArray};
use aya_ebpf::macros::{btf_map, xdp};
use aya_ebpf::programs::XdpContext;
use stormbolt_common::bench::{
    BENCH_HEADERS, FRAME_BYTES_V4, FRAME_BYTES_V6, HeaderV4, HeaderV6, PROTOCOL_OFFSET_V4,
    PROTOCOL_OFFSET_V6, SOURCE_OFFSET_V4, SOURCE_OFFSET_V6,
};

/// A table's size as the map definitions want it.
#[expect(clippy::as_conversions, reason = "constant; it fits")]
const HEADERS: usize = BENCH_HEADERS as usize;

/// The program that is measured.
#[btf_map]
static TARGET: ProgramArray<1> = ProgramArray::new();

/// Frames so far; one CPU runs the program.
#[btf_map]
static CURSOR: Array<u32, 1> = Array::new();

/// What the IPv4 frames say; one of the two tables is in use.
#[btf_map]
static HEADERS_V4: Array<HeaderV4, HEADERS> = Array::new();

/// What the IPv6 frames say.
#[btf_map]
static HEADERS_V6: Array<HeaderV6, HEADERS> = Array::new();

/// Prefixes of IPv4 sources; user space sizes it when it loads the object.
#[btf_map]
static PREFIXES_V4: LpmTrie<[u8; 4], u32, 1> = LpmTrie::new();

/// Prefixes of IPv6 sources, likewise.
#[btf_map]
static PREFIXES_V6: LpmTrie<[u8; 16], u32, 1> = LpmTrie::new();

/// Does nothing: what the measured program is compared with.
#[xdp]
pub(crate) fn empty(_context: XdpContext) -> u32 {
    xdp_action::XDP_DROP
}

/// Drops what it has looked at, and looks at no more than one word: the least that any program does which treats
/// frames by what they are.
#[xdp]
pub(crate) fn look(context: XdpContext) -> u32 {
    match read::<4>(&context, SOURCE_OFFSET_V4) {
        Some([0, 0, 0, 0]) => xdp_action::XDP_PASS,
        Some(_) | None => xdp_action::XDP_DROP,
    }
}

/// Sends the frame out of the device that the test run names.
#[xdp]
pub(crate) fn transmit(_context: XdpContext) -> u32 {
    xdp_action::XDP_TX
}

/// Writes the next IPv4 header and runs the target.
#[xdp]
pub(crate) fn front_v4(context: XdpContext) -> u32 {
    run_v4(&context, 0)
}

/// Writes the next IPv6 header and runs the target.
#[xdp]
pub(crate) fn front_v6(context: XdpContext) -> u32 {
    run_v6(&context, 0)
}

/// As `front_v4`, with another source port for every packet: each is the first of its flow.
#[xdp]
pub(crate) fn front_new_v4(context: XdpContext) -> u32 {
    run_v4(&context, u32::MAX)
}

/// As `front_v6`, likewise.
#[xdp]
pub(crate) fn front_new_v6(context: XdpContext) -> u32 {
    run_v6(&context, u32::MAX)
}

#[inline(always)]
fn run_v4(context: &XdpContext, new_ports: u32) -> u32 {
    if let (Some(frame), Some(index)) = (frame::<FRAME_BYTES_V4>(context), next())
        && let Some(&[source, destination, ports, protocol]) = HEADERS_V4.get(index)
    {
        let ports = ports ^ source_port() & new_ports;
        write_words(frame, SOURCE_OFFSET_V4, [source, destination, ports]);
        write_protocol(frame, PROTOCOL_OFFSET_V4, protocol);
        run_target(context);
    }
    xdp_action::XDP_ABORTED
}

#[inline(always)]
fn run_v6(context: &XdpContext, new_ports: u32) -> u32 {
    if let (Some(frame), Some(index)) = (frame::<FRAME_BYTES_V6>(context), next())
        && let Some(header) = HEADERS_V6.get(index)
        && let Some(&[a, b, c, d, e, f, g, h, ports]) = header.first_chunk::<9>()
    {
        let [.., protocol] = *header;
        let ports = ports ^ source_port() & new_ports;
        write_words(frame, SOURCE_OFFSET_V6, [a, b, c, d, e, f, g, h, ports]);
        write_protocol(frame, PROTOCOL_OFFSET_V6, protocol);
        run_target(context);
    }
    xdp_action::XDP_ABORTED
}

/// Drops what comes from an address in the kernel's own prefix table, having read nothing else.
#[xdp]
pub(crate) fn lpm_v4(context: XdpContext) -> u32 {
    let Some(source) = read::<4>(&context, SOURCE_OFFSET_V4) else {
        return xdp_action::XDP_ABORTED;
    };
    match PREFIXES_V4.get(&Key::new(32, source)) {
        Some(_) => xdp_action::XDP_DROP,
        None => xdp_action::XDP_PASS,
    }
}

/// Likewise for IPv6.
#[xdp]
pub(crate) fn lpm_v6(context: XdpContext) -> u32 {
    let Some(source) = read::<16>(&context, SOURCE_OFFSET_V6) else {
        return xdp_action::XDP_ABORTED;
    };
    match PREFIXES_V6.get(&Key::new(128, source)) {
        Some(_) => xdp_action::XDP_DROP,
        None => xdp_action::XDP_PASS,
    }
}

/// Runs the target; comes back only if there is none.
#[inline(always)]
fn run_target(context: &XdpContext) {
    // SAFETY: nothing of this program is left to be done or dropped.
    unsafe { TARGET.tail_call(context, 0) };
}

/// The number of the next header.
#[inline(always)]
fn next() -> Option<u32> {
    let cursor = CURSOR.get_ptr_mut(0)?;
    // SAFETY: the entry lives as long as the program, and one CPU runs it.
    let cursor = unsafe { &mut *cursor };
    *cursor = cursor.wrapping_add(1);
    Some(*cursor % BENCH_HEADERS)
}

/// Another source port for every frame, as the first two bytes of the ports. A header meets each of the
/// 65,536 once before any comes again.
#[inline(always)]
fn source_port() -> u32 {
    const ODD: u32 = 40_503;
    let cursor = CURSOR.get(0).copied().unwrap_or(0);
    let number = cursor.wrapping_add(cursor >> 16);
    let [low, high, ..] = number.wrapping_mul(ODD).to_le_bytes();
    u32::from_ne_bytes([high, low, 0, 0])
}

/// Where the frame begins, if it has `LENGTH` bytes.
#[inline(always)]
fn frame<const LENGTH: usize>(context: &XdpContext) -> Option<*mut [u8; LENGTH]> {
    let start = context.data();
    if start + LENGTH > context.data_end() {
        return None;
    }
    Some(core::ptr::with_exposed_provenance_mut(start))
}

/// Writes words of 32 bits, at whatever address the frame begins.
#[inline(always)]
fn write_words<const LENGTH: usize, const N: usize>(
    frame: *mut [u8; LENGTH],
    offset: usize,
    words: [u32; N],
) {
    const { assert!(N <= 9) };
    // SAFETY: the callers' constants lie within the frame.
    let target = unsafe { frame.cast::<u8>().add(offset) };
    for (position, word) in words.into_iter().enumerate() {
        // SAFETY: as above.
        let target = unsafe { target.add(position * 4) };
        // SAFETY: as above.
        unsafe { target.cast::<u32>().write_unaligned(word) };
    }
}

/// Writes the protocol, which is the first byte of `word` in memory.
#[inline(always)]
fn write_protocol<const LENGTH: usize>(frame: *mut [u8; LENGTH], offset: usize, word: u32) {
    let [protocol, ..] = word.to_ne_bytes();
    // SAFETY: the callers' constants lie within the frame.
    let target = unsafe { frame.cast::<u8>().add(offset) };
    // SAFETY: as above.
    unsafe { target.write(protocol) };
}

/// Reads from the frame; `None` where it ends before.
#[inline(always)]
fn read<const N: usize>(context: &XdpContext, offset: usize) -> Option<[u8; N]> {
    let start = context.data() + offset;
    if start + N > context.data_end() {
        return None;
    }
    let bytes = core::ptr::with_exposed_provenance::<[u8; N]>(start);
    // SAFETY: `start..start + N` lies in the packet, checked above; alignment is 1.
    Some(unsafe { bytes.read() })
}

/// The object's licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // The verifier rejects a program in which this is reachable.
    loop {}
}
