//! The policer by itself.

use stormbolt_common::counters::{Lease, Refusals};
use stormbolt_common::police::{ClassRate, InterfaceRate};
use stormbolt_ebpf::police::{Bucket, Buckets, Clock, Held, police};

/// What one CPU has of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnCpu {
    /// What it may still pass.
    pub lease: Lease,
    /// What it has refused.
    pub refusals: Refusals,
}

impl OnCpu {
    /// As the policer sees it.
    pub fn held(&mut self) -> Held<'_> {
        Held {
            lease: &mut self.lease,
            refusals: &mut self.refusals,
        }
    }
}

/// Whether a packet is within the class's rate, on an interface that lends nothing.
pub fn police_alone<C: Clock, B: Bucket>(
    rate: &ClassRate,
    on_cpu: &mut OnCpu,
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
    police(rate, &mut on_cpu.held(), &buckets, clock, bytes).is_ok()
}
