//! The kernel's clocks.

use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_ns};
use stormbolt_ebpf::police::Clock;

/// `bpf_ktime_get_ns` and `bpf_jiffies64`.
pub(crate) struct KernelClock;

impl Clock for KernelClock {
    #[inline(always)]
    fn now_ns(&self) -> u64 {
        // SAFETY: the helper takes no argument and cannot fail.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn jiffy(&self) -> u64 {
        // SAFETY: the helper takes no argument and cannot fail.
        unsafe { bpf_jiffies64() }
    }
}
