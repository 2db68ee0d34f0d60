//! Compare-and-swap on map values.

use core::intrinsics::{AtomicOrdering, atomic_cxchg};

/// Stores `new` at `target` if `current` stands there, and says whether it did.
///
/// Sequentially consistent: LLVM 22 miscompiles relaxed atomics whose result is used, for BPF.
///
/// # Safety
/// `target` points to a live, aligned map value.
#[inline(always)]
pub(super) unsafe fn compare_and_swap(target: *mut u64, current: u64, new: u64) -> bool {
    // SAFETY: the caller vouches for `target`.
    let (_, swapped) = unsafe {
        atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
            target, current, new,
        )
    };
    swapped
}
