//! The policer by itself.

use stormbolt_common::counters::Lease;
use stormbolt_common::police::{ClassRate, InterfaceRate};
use stormbolt_ebpf::police::{Bucket, Buckets, Clock, renew, spend};

/// Whether a packet is within the class's rate, on an interface that lends nothing.
pub fn police_alone<C: Clock, B: Bucket>(
    rate: &ClassRate,
    lease: &mut Lease,
    bucket: &B,
    clock: &C,
    bytes: u64,
) -> bool {
    let buckets = Buckets {
        own: bucket,
        ceil: bucket,
        shared: bucket,
        interface: &InterfaceRate::default(),
        silent_from_ns: u64::MAX,
    };
    police(rate, lease, &buckets, clock, bytes)
}

/// Whether a packet is within the class's rate or within what it may borrow.
pub fn police<C: Clock, B: Bucket>(
    rate: &ClassRate,
    lease: &mut Lease,
    buckets: &Buckets<'_, B>,
    clock: &C,
    bytes: u64,
) -> bool {
    spend(rate, lease, bytes) || renew(rate, lease, buckets, clock, bytes)
}
