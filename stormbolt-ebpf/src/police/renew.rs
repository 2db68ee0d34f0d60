//! What a CPU does when its lease does not pay for a packet.
//!
//! A refused packet does not read the clock either: up to [`REFUSALS_PER_LOOK`] more packets of the
//! same jiffy are refused unseen, while the bucket keeps filling, so the rate is not affected.

use stormbolt_common::counters::Lease;
use stormbolt_common::police::{
    BLOCKED, CREDIT_FRACTION_BITS, ClassRate, FULL_FRAME_BYTES, InterfaceRate, NO_BORROWING,
};

use super::beside::owes;
use super::bucket::{Bucket, Wish, available, charge, earlier, later, take};
use super::credit::{credit_of, time_of};
use super::{Clock, Held, cost_of, low_half};

/// Packets that are refused after a look at the clock without another look.
///
/// At sixteen packets a look, reading the clock adds 2 ns to a packet of a flood.
pub const REFUSALS_PER_LOOK: u16 = 15;

const UNSEEN_AND_THIS_ONE: u64 = 16;

/// Refusing unseen needs a bucket that does not overflow in the meantime: at least this deep, beside
/// two packets. It is more than one jiffy of a kernel with 100 ticks a second.
pub const MIN_BURST_FOR_UNSEEN_REFUSAL_NS: u64 = 12_000_000;

/// What a class gets at once where it is not held to any rate: enough for any packet, and for few.
const UNLIMITED_LOAN: u64 = 1 << (16 + CREDIT_FRACTION_BITS);

/// Depth of a bucket while the controller is silent.
const FAILSAFE_BURST_NS: u64 = 20_000_000;

/// How a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// After a look at the clock, at this time in ns, and at the buckets.
    Seen(u64),
    /// Because another one was, shortly before.
    Unseen,
}

/// The buckets that a packet may be paid out of.
pub struct Buckets<'a, B> {
    /// The class's own, at its rate.
    pub own: &'a B,
    /// The class's, at its ceil.
    pub ceil: &'a B,
    /// The class's, at half of its rate, for what passes beside what passes ahead.
    pub beside: &'a B,
    /// The interface's, at its capacity.
    pub shared: &'a B,
    /// That capacity.
    pub interface: &'a InterfaceRate,
    /// From when on the controller is taken to be silent, in ns.
    pub silent_from_ns: u64,
}

/// Whether a packet of `bytes` bytes is within the class's rate when it takes a new lease, or within
/// what the interface can lend. Spends what it costs if so.
///
/// # Errors
/// It is not.
#[inline(always)]
pub fn renew<C: Clock, B: Bucket>(
    rate: &ClassRate,
    held: &mut Held<'_>,
    buckets: &Buckets<'_, B>,
    clock: &C,
    bytes: u64,
) -> Result<(), Refusal> {
    let Held { lease, refusals } = held;
    let never_silent = buckets.silent_from_ns == u64::MAX;
    if rate.cost_per_byte == BLOCKED && never_silent && !may_borrow(rate, buckets.interface) {
        return Err(Refusal::Unseen);
    }
    let jiffy = clock.jiffy_low();
    if refusals.left > 0 && refusals.jiffy == jiffy {
        refusals.left -= 1;
        return Err(Refusal::Unseen);
    }
    let now = clock.now_ns();
    let within = if now >= buckets.silent_from_ns {
        by_failsafe(rate, lease, buckets.own, now, bytes)
    } else {
        from_own(rate, lease, buckets, now, bytes) || from_others(rate, lease, buckets, now, bytes)
    };
    if within {
        return Ok(());
    }
    if refusals.jiffy != jiffy {
        refusals.jiffy = jiffy;
        refusals.left_beside = 0;
    }
    refusals.left = if may_refuse_unseen(rate, buckets.interface, bytes) {
        REFUSALS_PER_LOOK
    } else {
        0
    };
    refusals.owes = u8::from(owes(rate, buckets.own, now));
    Err(Refusal::Seen(now))
}

#[inline(always)]
pub(super) const fn may_borrow(rate: &ClassRate, interface: &InterfaceRate) -> bool {
    rate.reserve_ns != NO_BORROWING && interface.cost_per_byte != 0
}

#[inline(always)]
pub(super) fn may_refuse_unseen(rate: &ClassRate, interface: &InterfaceRate, bytes: u64) -> bool {
    // Nor may the interface's bucket, above what is left in it.
    if may_borrow(rate, interface) {
        let room_ns = interface.burst_ns.saturating_sub(rate.reserve_ns);
        let packet_ns = time_of_bytes(bytes, interface.cost_per_byte);
        let unseen_ns = packet_ns.saturating_mul(UNSEEN_AND_THIS_ONE);
        if room_ns < unseen_ns {
            return false;
        }
    }
    if rate.cost_per_byte == BLOCKED {
        return true;
    }
    rate.burst_ns >= MIN_BURST_FOR_UNSEEN_REFUSAL_NS + 2 * time_at(rate, bytes)
}

/// The time that a packet takes at the class's rate, in ns, rounded down.
#[inline(always)]
pub(super) fn time_at(rate: &ClassRate, bytes: u64) -> u64 {
    time_of(cost_of(&rate.terms(), bytes), rate.cost_per_byte)
}

/// Takes a new lease that covers the packet, and spends that.
#[inline(always)]
fn from_own<B: Bucket>(
    rate: &ClassRate,
    lease: &mut Lease,
    buckets: &Buckets<'_, B>,
    now: u64,
    bytes: u64,
) -> bool {
    if rate.cost_per_byte == BLOCKED {
        return false;
    }
    let cost = cost_of(&rate.terms(), bytes);
    let missing = cost.saturating_sub(lease.credit.into());
    let needed_ns = time_of(missing, rate.cost_per_byte) + 1;
    let depth_ns = depth_for(rate, needed_ns);
    let wish = Wish {
        needed: needed_ns,
        overdraft: overdraft_ns(rate),
        wanted: later(u64::from(rate.lease_ns), needed_ns),
        reserve: 0,
    };
    let taken_ns = take(buckets.own, now, depth_ns, wish);
    if taken_ns == 0 {
        return false;
    }
    // Not less than what is missing, however it was rounded.
    let taken = later(credit_of(taken_ns, rate.cost_per_byte), missing);
    lend(lease, taken, cost);
    // Rounded up, so that it is never less than what passes.
    charge_others(rate, buckets, now, (taken >> CREDIT_FRACTION_BITS) + 1);
    true
}

/// Depth of a class's bucket for a packet that needs `needed_ns`.
///
/// What was not used within the burst is lost: the bucket is full. A bucket of any depth is deep enough for
/// this packet, or a jumbo frame could never pass in a slow class.
#[inline(always)]
pub(super) const fn depth_for(rate: &ClassRate, needed_ns: u64) -> u64 {
    if rate.burst_ns > 0 {
        later(rate.burst_ns, needed_ns)
    } else {
        0
    }
}

/// What a class may owe for a packet that the rate covers in part, in ns: nothing if two full frames fit its bucket, else one.
///
/// What gathers beyond a shallow bucket's depth is lost, so if a long packet had to wait until all that it costs
/// is there, shorter packets would keep it out for ever.
#[inline(always)]
pub(super) fn overdraft_ns(rate: &ClassRate) -> u64 {
    let two_frames = (2 * FULL_FRAME_BYTES) << CREDIT_FRACTION_BITS;
    // Rounded down, as the depth of a bucket that two of them just fit is rounded up.
    let two_frames_ns = time_of(two_frames, rate.cost_per_byte);
    if rate.burst_ns < two_frames_ns {
        two_frames_ns / 2
    } else {
        0
    }
}

/// Takes what was paid out of the class's own bucket out of the others as well.
#[inline(always)]
pub(super) fn charge_others<B: Bucket>(
    rate: &ClassRate,
    buckets: &Buckets<'_, B>,
    now: u64,
    bytes: u64,
) {
    charge_ceil(rate, buckets, now, bytes);
    charge_shared(buckets, now, bytes);
}

/// Borrows what covers the packet from the interface's bucket, and spends that.
#[inline(always)]
fn from_others<B: Bucket>(
    rate: &ClassRate,
    lease: &mut Lease,
    buckets: &Buckets<'_, B>,
    now: u64,
    bytes: u64,
) -> bool {
    let interface = buckets.interface;
    if !may_borrow(rate, interface) {
        return false;
    }
    let cost = cost_of(&rate.terms(), bytes);
    let missing = cost.saturating_sub(lease.credit.into());
    let needed_ns = time_of(missing, interface.cost_per_byte) + 1;
    let mut wanted_ns = later(u64::from(rate.loan_ns), needed_ns);
    if rate.ceil_cost_per_byte != 0 {
        let at_ceil_ns = available(buckets.ceil, now, ceil_depth(rate, interface, bytes));
        let below_ceil = credit_of(at_ceil_ns, rate.ceil_cost_per_byte);
        if below_ceil < missing {
            return false;
        }
        // What passes at the ceil in the time of a loan, or a lower ceil would come too late for what is lent.
        let loan = credit_of(rate.loan_ns.into(), rate.ceil_cost_per_byte);
        let most = earlier(below_ceil, later(loan, missing));
        wanted_ns = earlier(wanted_ns, time_of(most, interface.cost_per_byte) + 1);
    }
    let wish = Wish {
        needed: needed_ns,
        overdraft: 0,
        wanted: wanted_ns,
        reserve: rate.reserve_ns,
    };
    let depth_ns = later(
        interface.burst_ns,
        needed_ns.saturating_add(rate.reserve_ns),
    );
    let taken_ns = take(buckets.shared, now, depth_ns, wish);
    if taken_ns == 0 {
        return false;
    }
    let loan = later(credit_of(taken_ns, interface.cost_per_byte), missing);
    let loan_bytes = loan.div_ceil(1 << CREDIT_FRACTION_BITS);
    charge_ceil(rate, buckets, now, loan_bytes);
    lend(lease, loan, cost);
    true
}

/// Takes what covers the packet at the rate that holds while the controller is silent, which knows no limit on
/// packets: what is left over for others counts as any lease does.
#[inline(always)]
fn by_failsafe<B: Bucket>(
    rate: &ClassRate,
    lease: &mut Lease,
    own: &B,
    now: u64,
    bytes: u64,
) -> bool {
    let cost = bytes << CREDIT_FRACTION_BITS;
    if u64::from(lease.credit) >= cost {
        lend(lease, 0, cost);
        return true;
    }
    let taken = match rate.failsafe_cost_per_byte {
        0 => UNLIMITED_LOAN,
        BLOCKED => return false,
        cost_per_byte => {
            let missing = cost.saturating_sub(lease.credit.into());
            let needed_ns = time_of(missing, cost_per_byte) + 1;
            let wish = Wish {
                needed: needed_ns,
                overdraft: 0,
                wanted: later(u64::from(rate.lease_ns), needed_ns),
                reserve: 0,
            };
            // Two such packets, as in any bucket: what gathers between them is not lost.
            let depth_ns = later(FAILSAFE_BURST_NS, 2 * time_of_bytes(bytes, cost_per_byte));
            let taken_ns = take(own, now, depth_ns, wish);
            if taken_ns == 0 {
                return false;
            }
            later(credit_of(taken_ns, cost_per_byte), missing)
        }
    };
    lend(lease, taken, cost);
    true
}

/// Adds what was taken to what is left of before, and spends what the packet costs.
#[inline(always)]
fn lend(lease: &mut Lease, taken: u64, cost: u64) {
    let left = u64::from(lease.credit)
        .saturating_add(taken)
        .saturating_sub(cost);
    lease.credit = low_half(earlier(left, u64::from(u32::MAX)));
}

#[inline(always)]
fn charge_ceil<B: Bucket>(rate: &ClassRate, buckets: &Buckets<'_, B>, now: u64, bytes: u64) {
    if rate.ceil_cost_per_byte != 0 && rate.reserve_ns != NO_BORROWING {
        let depth_ns = ceil_depth(rate, buckets.interface, bytes);
        let spent_ns = time_of_bytes(bytes, rate.ceil_cost_per_byte);
        let debt_ns = buckets.interface.debt_ns;
        charge(buckets.ceil, now, depth_ns, debt_ns, spent_ns);
    }
}

#[inline(always)]
fn charge_shared<B: Bucket>(buckets: &Buckets<'_, B>, now: u64, bytes: u64) {
    let interface = buckets.interface;
    if interface.cost_per_byte != 0 {
        let spent_ns = time_of_bytes(bytes, interface.cost_per_byte);
        let (depth_ns, debt_ns) = (interface.burst_ns, interface.debt_ns);
        charge(buckets.shared, now, depth_ns, debt_ns, spent_ns);
    }
}

/// A class that borrows bursts above its ceil for no longer than the interface does above its capacity,
/// but a packet of any length passes when its time has come.
#[inline(always)]
fn ceil_depth(rate: &ClassRate, interface: &InterfaceRate, bytes: u64) -> u64 {
    later(
        interface.burst_ns,
        2 * time_of_bytes(bytes, rate.ceil_cost_per_byte),
    )
}

/// The time that bytes take at a cost, in ns, rounded up.
#[inline(always)]
const fn time_of_bytes(bytes: u64, cost_per_byte: u64) -> u64 {
    time_of(bytes << CREDIT_FRACTION_BITS, cost_per_byte) + 1
}
