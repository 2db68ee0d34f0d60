//! Memory that was freed and that the allocator keeps.

/// Gives it back to the kernel. Reading and compiling a policy takes several times what is kept of it, and the next
/// one may be a year away.
#[cfg(target_env = "gnu")]
pub(crate) fn give_back() {
    // SAFETY: it asks for nothing, and may be called by any thread at any time (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) const fn give_back() {}
