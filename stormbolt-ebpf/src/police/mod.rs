//! Holds a class to its rate over all CPUs together.
//!
//! One bucket per class and interface is shared by all CPUs; a CPU takes credit out of it in
//! *leases* and spends them without touching the bucket, the clock or a shared cache line. Since
//! every lease is paid for when it is taken, no number of CPUs passes more than the rate; what they
//! hold unspent is at most a quarter of the burst (`decide/encode.rs` sizes the lease).
//!
//! A refused packet does not read the clock either: up to [`REFUSALS_PER_LOOK`] more packets of the
//! same jiffy are refused unseen, while the bucket keeps filling, so the rate is not affected.

use stormbolt_common::counters::Lease;
use stormbolt_common::police::{BLOCKED, COST_FRACTION_BITS, ClassRate};

/// Time in the kernel.
pub trait Clock {
    /// Monotonic time in ns: exact, and as dear as the rest of the policer (36 ns in a VM).
    fn now_ns(&self) -> u64;
    /// The count of timer ticks, 1 to 10 ms each: nearly free.
    fn jiffy(&self) -> u64;
}

/// A bucket's one word, shared by all CPUs.
pub trait Bucket {
    /// The time up to which the rate is spent, in ns.
    fn spent_until_ns(&self) -> u64;
    /// Moves that time from `current` to `new`; `false` when another CPU has moved it first.
    fn advance(&self, current: u64, new: u64) -> bool;
}

/// Packets that are refused after a look at the clock without another look.
///
/// At sixteen packets a look, reading the clock adds 2 ns to a packet of a flood.
pub const REFUSALS_PER_LOOK: u64 = 15;

/// Refusing unseen needs a bucket that does not overflow in the meantime: at least this deep, beside
/// two packets. It is more than one jiffy of a kernel with 100 ticks a second.
pub const MIN_BURST_FOR_UNSEEN_REFUSAL_NS: u64 = 12_000_000;

/// How often a lease is tried for while other CPUs get in first.
const ATTEMPTS: u32 = 4;

/// Whether a packet of `bytes` bytes is within the class's rate. Spends the credit if so.
#[inline(always)]
pub fn police<C: Clock, B: Bucket>(
    rate: &ClassRate,
    lease: &mut Lease,
    bucket: &B,
    clock: &C,
    bytes: u64,
) -> bool {
    match rate.cost_per_byte {
        0 => return true,
        BLOCKED => return false,
        _ => {}
    }
    let cost = bytes.wrapping_mul(rate.cost_per_byte);
    if lease.credit >= cost {
        lease.credit -= cost;
        return true;
    }
    renew(rate, lease, bucket, clock, cost)
}

/// Takes a new lease that covers `cost`, and spends that.
#[inline(always)]
fn renew<C: Clock, B: Bucket>(
    rate: &ClassRate,
    lease: &mut Lease,
    bucket: &B,
    clock: &C,
    cost: u64,
) -> bool {
    let jiffy = clock.jiffy();
    if lease.refusals_left > 0 && lease.refused_jiffy == jiffy {
        lease.refusals_left -= 1;
        return false;
    }
    let now = clock.now_ns();
    let missing = cost - lease.credit;
    let needed_ns = (missing >> COST_FRACTION_BITS) + 1;
    let wanted_ns = if rate.lease_ns > needed_ns {
        rate.lease_ns
    } else {
        needed_ns
    };
    for _ in 0..ATTEMPTS {
        let spent_until = bucket.spent_until_ns();
        // What was not used within the burst is lost: the bucket is full. A bucket of any depth is
        // deep enough for this packet, or a jumbo frame could never pass in a slow class.
        let depth = if rate.burst_ns > 0 && rate.burst_ns < needed_ns {
            needed_ns
        } else {
            rate.burst_ns
        };
        let full = now.saturating_sub(depth);
        let from = if spent_until > full {
            spent_until
        } else {
            full
        };
        let available_ns = now.saturating_sub(from);
        if available_ns < needed_ns {
            break;
        }
        let taken_ns = if available_ns < wanted_ns {
            available_ns
        } else {
            wanted_ns
        };
        if bucket.advance(spent_until, from + taken_ns) {
            lease.credit += taken_ns << COST_FRACTION_BITS;
            lease.credit -= cost;
            return true;
        }
    }
    lease.refused_jiffy = jiffy;
    let room = MIN_BURST_FOR_UNSEEN_REFUSAL_NS + 2 * (cost >> COST_FRACTION_BITS);
    lease.refusals_left = if rate.burst_ns >= room {
        REFUSALS_PER_LOOK
    } else {
        0
    };
    false
}
