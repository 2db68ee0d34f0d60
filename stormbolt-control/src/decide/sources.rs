//! Limits on each source of a class, in the form that the policer reads.

use std::collections::BTreeMap;

use stormbolt_common::source::SourceLimit;

use super::encode::{cost_per_byte, time_of_two_frames};
use crate::policy::{PerSource, Policy};

/// The different limits of a policy, numbered.
#[derive(Clone, Debug, Default)]
pub struct SourceLimits {
    limits: Vec<SourceLimit>,
    numbers: BTreeMap<PerSource, u8>,
}

impl SourceLimits {
    /// Those of this policy. Of more than there are numbers for, the last ones are left out; the policy file cannot
    /// have so many.
    pub fn of(policy: &Policy) -> Self {
        let mut all = Self::default();
        for per_source in policy.classes.iter().filter_map(|class| class.per_source) {
            let next = u8::try_from(all.limits.len() + 1);
            if let (false, Ok(next)) = (all.numbers.contains_key(&per_source), next) {
                all.numbers.insert(per_source, next);
                all.limits.push(source_limit(per_source));
            }
        }
        all
    }

    /// The limits, by number.
    pub fn limits(&self) -> &[SourceLimit] {
        &self.limits
    }

    /// What stands in the entry of a class: the number of its limit plus one, or zero.
    pub fn entry_of(&self, per_source: Option<PerSource>) -> u8 {
        let number = per_source.and_then(|one| self.numbers.get(&one));
        number.copied().unwrap_or(0)
    }
}

fn source_limit(per_source: PerSource) -> SourceLimit {
    let whole = mask(per_source.ipv6_prefix.into(), 128);
    let low_half = u128::from(u64::MAX);
    let half = |bits: u128| u64::try_from(bits & low_half).unwrap_or(u64::MAX);
    let ipv4 = mask(per_source.ipv4_prefix.into(), 32);
    SourceLimit {
        cost_per_byte: cost_per_byte(per_source.rate),
        // As any bucket: two full frames fit.
        burst_ns: per_source.burst.0.max(time_of_two_frames(per_source.rate)),
        ipv6_mask: [half(whole >> 64), half(whole)],
        ipv4_mask: u32::try_from(ipv4 >> 96).unwrap_or(u32::MAX),
        reserved: 0,
    }
}

/// The first bits of an address, at most as many as there are.
fn mask(length: u32, most: u32) -> u128 {
    let rest = 128 - length.min(most);
    u128::MAX.checked_shl(rest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BitsPerSecond, Nanoseconds};

    const ONE: PerSource = PerSource {
        rate: BitsPerSecond(8_000_000),
        burst: Nanoseconds::from_millis(200),
        ipv4_prefix: 24,
        ipv6_prefix: 56,
    };

    #[test]
    fn a_limit_is_written_with_its_masks_and_a_bucket_for_two_frames_at_least() {
        let limit = source_limit(ONE);
        assert_eq!(limit.cost_per_byte, 1_000 << 20);
        assert_eq!(limit.burst_ns, 200_000_000);
        assert_eq!(limit.ipv4_mask, 0xffff_ff00);
        assert_eq!(limit.ipv6_mask, [0xffff_ffff_ffff_ff00, 0]);
        let slow = source_limit(PerSource {
            rate: BitsPerSecond(8_000),
            ipv4_prefix: 32,
            ipv6_prefix: 128,
            ..ONE
        });
        assert!(slow.burst_ns >= 3_000_000_000);
        assert_eq!((slow.ipv4_mask, slow.ipv6_mask), (u32::MAX, [u64::MAX; 2]));
        let wide = source_limit(PerSource {
            ipv4_prefix: 1,
            ipv6_prefix: 65,
            ..ONE
        });
        assert_eq!(
            (wide.ipv4_mask, wide.ipv6_mask),
            (1 << 31, [u64::MAX, 1 << 63])
        );
    }
}
