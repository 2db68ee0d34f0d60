//! What the allocator does with memory that was freed.

/// Lets all threads allocate from one pool, before there are any others: they allocate too seldom to be in each
/// other's way, and what one has freed another can have. With a thousand classes and ten thousand rules that saves 7 MB.
#[cfg(target_env = "gnu")]
pub(super) fn share() {
    // SAFETY: it changes a setting of the allocator, and only this thread is there (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives it back to the kernel. Reading and compiling a policy takes several times what is kept of it, and the next
/// one may be a year away.
#[cfg(target_env = "gnu")]
pub(crate) fn give_back() {
    // SAFETY: it asks for nothing, and may be called by any thread at any time (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators have no such setting.
#[cfg(not(target_env = "gnu"))]
pub(super) const fn share() {}

/// Other allocators do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) const fn give_back() {}
