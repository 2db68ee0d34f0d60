//! Buckets that CPUs share: a word each, the time up to which a rate is spent.
//!
//! Credit stands in a bucket as far as that time lies in the past, at most its depth.

/// A bucket's one word, shared by all CPUs.
pub trait Bucket {
    /// The time up to which the rate is spent, in ns.
    fn spent_until_ns(&self) -> u64;
    /// Moves that time from `current` to `new`; `false` when another CPU has moved it first.
    fn advance(&self, current: u64, new: u64) -> bool;
}

/// How often a bucket is tried while other CPUs get in first.
const ATTEMPTS: u32 = 4;

/// What is to be taken out of a bucket, all as time at the bucket's rate, in ns.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    /// This much is taken at least.
    pub(super) needed: u64,
    /// So much of that the bucket may owe then.
    pub(super) overdraft: u64,
    /// At most this much.
    pub(super) wanted: u64,
    /// This much is to be left.
    pub(super) reserve: u64,
}

/// Takes what a wish says out of a bucket of `depth_ns`, and returns how much; zero: not enough is there.
#[inline(always)]
pub(super) fn take<B: Bucket>(bucket: &B, now: u64, depth_ns: u64, wish: Wish) -> u64 {
    for _ in 0..ATTEMPTS {
        let spent_until = bucket.spent_until_ns();
        let from = later(spent_until, now.saturating_sub(depth_ns));
        let there_ns = now.saturating_sub(from).saturating_sub(wish.reserve);
        // Something has to be there in any case.
        if there_ns < later(wish.needed.saturating_sub(wish.overdraft), 1) {
            break;
        }
        let taken_ns = later(earlier(there_ns, wish.wanted), wish.needed);
        if bucket.advance(spent_until, from + taken_ns) {
            return taken_ns;
        }
    }
    0
}

/// Takes `needed_ns` out of a bucket of `depth_ns` that may owe up to `ahead_ns` then; `false`: it would
/// owe more.
#[inline(always)]
pub(super) fn take_ahead<B: Bucket>(
    bucket: &B,
    now: u64,
    depth_ns: u64,
    needed_ns: u64,
    ahead_ns: u64,
) -> bool {
    for _ in 0..ATTEMPTS {
        let spent_until = bucket.spent_until_ns();
        let from = later(spent_until, now.saturating_sub(depth_ns));
        let until = from.saturating_add(needed_ns);
        if until > now.saturating_add(ahead_ns) {
            break;
        }
        if bucket.advance(spent_until, until) {
            return true;
        }
    }
    false
}

/// What stands in a bucket of `depth_ns`, in ns.
#[inline(always)]
pub(super) fn available<B: Bucket>(bucket: &B, now: u64, depth_ns: u64) -> u64 {
    now.saturating_sub(later(bucket.spent_until_ns(), now.saturating_sub(depth_ns)))
}

/// Takes `spent_ns` out of a bucket whatever is in it: this much has been spent elsewhere. What it owes
/// then, up to `debt_ns`, has to come in before anything is borrowed again.
#[inline(always)]
pub(super) fn charge<B: Bucket>(bucket: &B, now: u64, depth_ns: u64, debt_ns: u64, spent_ns: u64) {
    for _ in 0..ATTEMPTS {
        let spent_until = bucket.spent_until_ns();
        let from = later(spent_until, now.saturating_sub(depth_ns));
        let until = earlier(
            from.saturating_add(spent_ns),
            later(from, now.saturating_add(debt_ns)),
        );
        if bucket.advance(spent_until, until) {
            break;
        }
    }
}

#[inline(always)]
pub(super) const fn later(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

#[inline(always)]
pub(super) const fn earlier(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}
