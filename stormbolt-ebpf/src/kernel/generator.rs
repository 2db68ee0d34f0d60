//! Changes a frame in place and returns `XDP_TX`.

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::btf_maps::Array;
use aya_ebpf::helpers::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use aya_ebpf::macros::{btf_map, xdp};
use aya_ebpf::programs::XdpContext;
use stormbolt_common::generator::{
    GeneratorSettings, GeneratorState, MAX_CLOCK_READS, MAX_RANDOM_WORDS,
};

/// `BPF_F_MMAPABLE`.
const MMAPABLE: usize = 1 << 10;

/// What is changed in each frame.
#[btf_map]
static SETTINGS: Array<GeneratorSettings, 1, MMAPABLE> = Array::new();

/// What has been done; one CPU runs a loaded generator.
#[btf_map]
static STATE: Array<GeneratorState, 1, MMAPABLE> = Array::new();

/// Randomises the frame as the settings say and sends it back out.
#[xdp]
pub(crate) fn generate(context: XdpContext) -> u32 {
    let Some(settings) = SETTINGS.get(0) else {
        return xdp_action::XDP_ABORTED;
    };
    if settings.flows > 0 && !set_flow(&context, settings) {
        return xdp_action::XDP_ABORTED;
    }
    if settings.random_words > 0 {
        randomise(&context, settings);
    }
    if let Some(state) = STATE.get_ptr_mut(0) {
        // SAFETY: the entry lives as long as the program, and one CPU runs it.
        let state = unsafe { &mut *state };
        state.frames = state.frames.wrapping_add(1);
        if settings.interval_ns > 0 {
            wait(state, u64::from(settings.interval_ns));
        }
    }
    xdp_action::XDP_TX
}

/// Waits until the frame is due. A generator that is late does not catch up: what was not sent in
/// time is not sent in a burst.
#[inline(always)]
fn wait(state: &mut GeneratorState, interval_ns: u64) {
    // SAFETY: the helper takes no argument and cannot fail.
    let mut now = unsafe { bpf_ktime_get_ns() };
    for _ in 0..MAX_CLOCK_READS {
        if now >= state.next_due_ns {
            break;
        }
        // SAFETY: as above.
        now = unsafe { bpf_ktime_get_ns() };
    }
    let due = state.next_due_ns + interval_ns;
    let late = now > due + 64 * interval_ns;
    state.next_due_ns = if late { now } else { due };
}

/// Writes one of `flows` values into the source port, network order.
#[inline(always)]
fn set_flow(context: &XdpContext, settings: &GeneratorSettings) -> bool {
    // SAFETY: the helper takes no argument and cannot fail.
    let random = unsafe { bpf_get_prandom_u32() };
    // Multiply and shift spreads over the flows without a division.
    let flow = (u64::from(random) * u64::from(settings.flows)) >> 32;
    let port = u64::from(settings.first_port) + flow;
    let [.., high, low] = port.to_be_bytes();
    write(context, below_64(settings.port_offset), [high, low])
}

/// Overwrites words of the frame, from its start offset on, as far as the frame reaches.
#[inline(always)]
fn randomise(context: &XdpContext, settings: &GeneratorSettings) {
    let mut offset = below_64(settings.random_offset);
    for word in 0..MAX_RANDOM_WORDS {
        if word >= settings.random_words {
            return;
        }
        // SAFETY: the helper takes no argument and cannot fail.
        let random = unsafe { bpf_get_prandom_u32() };
        if !write(context, offset, random.to_ne_bytes()) {
            return;
        }
        offset += 4;
    }
}

/// An offset from the settings, in the bounds that the verifier needs.
#[inline(always)]
#[expect(clippy::as_conversions, reason = "below 64")]
const fn below_64(offset: u32) -> usize {
    (offset & 0x3f) as usize
}

/// Writes into the frame; `false` where it ends before.
#[inline(always)]
fn write<const N: usize>(context: &XdpContext, offset: usize, bytes: [u8; N]) -> bool {
    let start = context.data() + offset;
    if start + N > context.data_end() {
        return false;
    }
    let target = core::ptr::with_exposed_provenance_mut::<[u8; N]>(start);
    // SAFETY: `start..start + N` lies in the packet, checked above; alignment is 1.
    unsafe { target.write(bytes) };
    true
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
