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
//! Before all that, [`police_source`] holds each source of a class to what it may have, where the class says so.
//!
//! What is refused then may still pass [ahead] of the rate, if dropping it would cost a TCP sender more than
//! the packet, and other packets beside that (`beside.rs`).
//!
//! [spends]: spend
//! [ahead]: pass_ahead

mod ahead;
mod beside;
mod bucket;
pub mod claim;
mod credit;
mod dropped;
mod offenders;
mod renew;
mod source;

pub use ahead::{Ahead, Claim, Noted, pass_ahead};
pub use bucket::Bucket;
pub use credit::longest_lease;
pub use dropped::{Found, Known, SharedLine, find};
pub use renew::{Buckets, MIN_BURST_FOR_UNSEEN_REFUSAL_NS, REFUSALS_PER_LOOK, Refusal, renew};

pub use offenders::note_offender;
pub use source::{Source, SourceVerdict, SourceWord, police_source, source_time};

use stormbolt_common::counters::{Lease, Refusals};
use stormbolt_common::police::{CREDIT_FRACTION_BITS, ClassRate, Terms, UNLIMITED};

use bucket::earlier;

/// Time in the kernel.
pub trait Clock {
    /// Monotonic time in ns: exact, and as dear as the rest of the policer (36 ns in a VM).
    fn now_ns(&self) -> u64;
    /// The count of timer ticks, 1 to 10 ms each: nearly free.
    fn jiffy(&self) -> u64;

    /// The lower half of that count.
    #[inline(always)]
    fn jiffy_low(&self) -> u32 {
        low_half(self.jiffy())
    }
}

/// The lower half of a number.
#[inline(always)]
pub fn low_half(number: u64) -> u32 {
    // Cut off, so it always fits.
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

/// What a CPU has of a class on an interface.
pub struct Held<'a> {
    /// What it may still pass.
    pub lease: &'a mut Lease,
    /// What it has refused.
    pub refusals: &'a mut Refusals,
}

/// The bytes that a packet is policed by: its frame's, and what the link adds to it.
#[inline(always)]
pub fn policed_bytes(terms: &Terms, frame_bytes: u64) -> u64 {
    let bytes = frame_bytes.wrapping_add_signed(i64::from(terms.overhead));
    // A frame has 14 bytes at least, from which up to 64 may be taken off.
    if bytes > frame_bytes + 127 { 1 } else { bytes }
}

/// What a packet takes out of a lease ([`Lease::credit`]).
#[inline(always)]
pub fn cost_of(terms: &Terms, bytes: u64) -> u64 {
    let (by_bytes, least) = (bytes << CREDIT_FRACTION_BITS, u64::from(terms.least));
    if by_bytes > least { by_bytes } else { least }
}

/// Takes a lease over to other rates, at which a CPU takes `longest` at most ([`longest_lease`]): what is more than
/// that was taken at a higher rate, and would pass at this one for far too long.
#[inline(always)]
pub fn carry_over(lease: &mut Lease, epoch: u32, longest: u64) {
    lease.epoch = epoch;
    lease.credit = low_half(earlier(lease.credit.into(), longest));
}

/// Whether a packet of `bytes` bytes is within the class's rate or within what it may borrow. Spends what it
/// costs if so.
///
/// # Errors
/// It is not.
#[inline(always)]
pub fn police<C: Clock, B: Bucket>(
    rate: &ClassRate,
    held: &mut Held<'_>,
    buckets: &Buckets<'_, B>,
    clock: &C,
    bytes: u64,
) -> Result<(), Refusal> {
    if spend(&rate.terms(), held.lease, bytes) {
        return Ok(());
    }
    renew(rate, held, buckets, clock, bytes)
}

/// Whether this CPU has what a packet of `bytes` bytes costs. Spends it if so; else [`renew`] says
/// whether the packet is within the rate.
#[inline(always)]
pub fn spend(terms: &Terms, lease: &mut Lease, bytes: u64) -> bool {
    if terms.treatment & UNLIMITED != 0 {
        return true;
    }
    let (credit, cost) = (u64::from(lease.credit), cost_of(terms, bytes));
    if credit < cost {
        return false;
    }
    lease.credit = low_half(credit - cost);
    true
}
