//! Every treatment and every limit on sources that a class may have.

use proptest::option::of;
use proptest::prelude::*;
use stormbolt_control::policy::{PerSource, Treatment};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};

use super::properties::CAPACITY;

prop_compose! {
    pub(super) fn per_source()(
        rate in 8_000..CAPACITY,
        burst in 20_000_000..=10_000_000_000_u64,
        ipv4_prefix in 1..=32_u8,
        ipv6_prefix in 1..=128_u8,
    ) -> PerSource {
        PerSource {
            rate: BitsPerSecond(rate),
            burst: Nanoseconds(burst),
            ipv4_prefix,
            ipv6_prefix,
        }
    }
}

pub(super) fn treatment() -> impl Strategy<Value = Treatment> {
    let ahead = of((0..=1_000_u64).prop_map(Nanoseconds::from_millis));
    (
        any::<bool>(),
        ahead,
        of(0..64_u8),
        any::<bool>(),
        of(4..=10_000_000_u32),
    )
        .prop_map(
            |(ecn, retransmit_ahead, dscp, shadow, packet_rate)| Treatment {
                ecn,
                retransmit_ahead,
                dscp,
                shadow,
                packet_rate,
            },
        )
}
