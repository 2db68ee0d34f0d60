//! The policer by itself.

use stormbolt_common::counters::Lease;
use stormbolt_common::police::{ClassRate, InterfaceRate};
use stormbolt_ebpf::police::{Bucket, Buckets, Clock, police};

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
        interface: &InterfaceRate::LENDS_NOTHING,
        silent_from_ns: u64::MAX,
    };
    police(rate, lease, &buckets, clock, bytes).is_ok()
}
