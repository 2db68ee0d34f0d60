//! The policer by itself.

use stormbolt_common::counters::{AheadCounter, Lease, Refusals};
use stormbolt_common::police::{ClassRate, InterfaceRate};
use stormbolt_ebpf::police::{Bucket, Buckets, Clock, Held, carry_over, longest_lease, police};

/// What one CPU has of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnCpu {
    /// What it may still pass.
    pub lease: Lease,
    /// What it has refused.
    pub refusals: Refusals,
    /// What it has passed ahead of the rate.
    pub ahead: AheadCounter,
}

impl OnCpu {
    /// As the policer sees it.
    pub fn held(&mut self) -> Held<'_> {
        Held {
            lease: &mut self.lease,
            refusals: &mut self.refusals,
        }
    }

    /// What it may still pass once it knows of this rate, on an interface that lends nothing, as leases count it.
    pub fn may_pass(&self, rate: &ClassRate) -> u64 {
        u64::from(self.lease.credit).min(longest_lease(rate, &InterfaceRate::LENDS_NOTHING))
    }

    /// Lets it know of the rate that is in force since this epoch, if it does not yet.
    pub fn learn(&mut self, rate: &ClassRate, epoch: u32) {
        if self.lease.epoch != epoch {
            let longest = longest_lease(rate, &InterfaceRate::LENDS_NOTHING);
            carry_over(&mut self.lease, epoch, longest);
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
        beside: bucket,
        shared: bucket,
        interface: &InterfaceRate::LENDS_NOTHING,
        silent_from_ns: u64::MAX,
    };
    police(rate, &mut on_cpu.held(), &buckets, clock, bytes).is_ok()
}
