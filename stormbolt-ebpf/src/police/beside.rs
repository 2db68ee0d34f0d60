//! Lets packets pass beside what passes [ahead] of their class's rate.
//!
//! What passes ahead has to be paid back before the class has anything for others, and TCP senders that are greedy keep
//! their class owing for as long as they send. So that they leave something to other packets of the class (UDP, the
//! first segments of a connection), those have half of the rate meanwhile, out of a bucket of their own, and the class
//! owes that as well: the rate holds, and what passes ahead finds the more owed.
//!
//! [ahead]: super::pass_ahead

use stormbolt_common::counters::Refusals;
use stormbolt_common::police::ClassRate;

use super::bucket::{Bucket, Wish, take};
use super::renew::{Buckets, depth_for, may_refuse_unseen, overdraft_ns, time_at};

/// Packets that are refused after a look at the bucket without another look, as of those that find no lease.
const REFUSALS_PER_LOOK: u8 = 15;

/// A class that owes less than this owes nothing: it may seem so to a CPU that has read the clock before another one that
/// was sooner at the bucket.
const NOT_OWED_NS: u64 = 1 << 17;

/// A packet costs as many times what it costs at the class's rate.
const TIMES: u64 = 2;

/// Whether a class owes something for what has passed ahead: more than the rate itself lets it owe.
#[inline(always)]
pub(super) fn owes<B: Bucket>(rate: &ClassRate, own: &B, now: u64) -> bool {
    own.spent_until_ns() > now + NOT_OWED_NS + overdraft_ns(rate)
}

/// Whether it is worth a look at the clock if a packet may pass beside others.
#[inline(always)]
pub(super) fn may_look_beside(refusals: &mut Refusals, jiffy: u32) -> bool {
    if refusals.owes == 0 {
        return false;
    }
    if refusals.left_beside > 0 && refusals.jiffy == jiffy {
        refusals.left_beside -= 1;
        return false;
    }
    true
}

/// Whether a packet of `bytes` bytes may pass beside what has passed ahead. Takes it out of the bucket for that, not
/// out of the class's own.
#[inline(always)]
pub(super) fn take_beside<B: Bucket>(
    rate: &ClassRate,
    refusals: &mut Refusals,
    buckets: &Buckets<'_, B>,
    now: u64,
    bytes: u64,
) -> bool {
    // If all is paid back, the class's own bucket has what there is.
    if !owes(rate, buckets.own, now) {
        return false;
    }
    let needed_ns = TIMES * (time_at(rate, bytes) + 1);
    let wish = Wish {
        needed: needed_ns,
        overdraft: 0,
        wanted: needed_ns,
        reserve: 0,
    };
    if take(buckets.beside, now, depth_for(rate, needed_ns), wish) > 0 {
        return true;
    }
    if may_refuse_unseen(rate, buckets.interface, bytes) {
        refusals.left_beside = REFUSALS_PER_LOOK;
    }
    false
}
