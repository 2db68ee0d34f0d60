//! Holds a class to its rate over all CPUs together.
//!
//! One bucket per class and interface is shared by all CPUs; a CPU takes credit out of it in
//! *leases* and [spends] them without touching the bucket, the clock or a shared cache line. Since
//! every lease is paid for when it is taken, no number of CPUs passes more than the rate; what they
//! hold unspent is at most a quarter of the burst (`decide/encode.rs` sizes the lease).
//!
//! Only when a lease does not pay for a packet, [`renew`] takes another one, or borrows from the
//! interface's bucket what nobody else uses.
//!
//! [spends]: spend

mod bucket;
mod renew;

pub use bucket::Bucket;
pub use renew::{Buckets, MIN_BURST_FOR_UNSEEN_REFUSAL_NS, REFUSALS_PER_LOOK, renew};

use stormbolt_common::counters::Lease;
use stormbolt_common::police::{BLOCKED, ClassRate};

/// Time in the kernel.
pub trait Clock {
    /// Monotonic time in ns: exact, and as dear as the rest of the policer (36 ns in a VM).
    fn now_ns(&self) -> u64;
    /// The count of timer ticks, 1 to 10 ms each: nearly free.
    fn jiffy(&self) -> u64;
}

/// Whether this CPU has what a packet of `bytes` bytes costs. Spends it if so; else [`renew`] says
/// whether the packet is within the rate.
#[inline(always)]
pub fn spend(rate: &ClassRate, lease: &mut Lease, bytes: u64) -> bool {
    if rate.cost_per_byte == 0 {
        return true;
    }
    if rate.cost_per_byte != BLOCKED {
        let cost = bytes.wrapping_mul(rate.cost_per_byte);
        if lease.credit >= cost {
            lease.credit -= cost;
            return true;
        }
    }
    if lease.borrowed >= bytes {
        lease.borrowed -= bytes;
        return true;
    }
    false
}
