//! What a bucket holds, without touching it.

use stormbolt_common::counters::{AheadCounter, Lease, Refusals};
use stormbolt_common::dropped::DroppedRange;
use stormbolt_common::police::{
    BLOCKED, COST_FRACTION_BITS, CREDIT_FRACTION_BITS, ClassRate, InterfaceRate, SharedBucket,
};
use stormbolt_control::units::Nanoseconds;
use stormbolt_ebpf::police::{
    Ahead, Bucket, Buckets, Claim, Clock, Held, Noted, SharedLine, pass_ahead, police,
};

/// A bucket at one moment, in bytes at the class's rate; of a class whose packets count as 64 KiB each
/// ([`stormbolt_common::police::MOST_OF_A_PACKET`]), in such bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tokens {
    /// What it holds.
    pub(super) bucket_bytes: u64,
    /// What it holds when it is full.
    pub(super) burst_bytes: u64,
    /// What CPUs have taken and not spent.
    pub(super) leased_bytes: u64,
    /// Whether a packet would pass that no lease pays for.
    pub(super) passes: bool,
}

/// What a packet may be paid out of, as it stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BucketsNow {
    /// The class's bucket.
    pub(super) own: SharedBucket,
    /// The interface's bucket.
    pub(super) shared: SharedBucket,
    /// The interface's capacity.
    pub(super) interface: InterfaceRate,
    /// What CPUs hold of the class's bucket and of loans, as leases count it.
    pub(super) leased_credit: u64,
}

/// Reads the buckets of a class. The packet has `packet_bytes`.
pub(super) fn tokens(
    rate: &ClassRate,
    buckets: &BucketsNow,
    now: Nanoseconds,
    packet_bytes: u64,
) -> Tokens {
    let spent_until_ns = buckets.own.spent_until_ns;
    let bytes = |span_ns: u64| in_bytes(span_ns, rate);
    let available_ns = now.0.saturating_sub(spent_until_ns).min(rate.burst_ns);
    let copy = |spent_until_ns| Copy {
        spent_until_ns,
        now,
    };
    let own = copy(spent_until_ns);
    let copies = Buckets {
        own: &own,
        ceil: &copy(buckets.own.ceil_spent_until_ns),
        beside: &copy(buckets.own.beside_spent_until_ns),
        shared: &copy(buckets.shared.spent_until_ns),
        interface: &buckets.interface,
        silent_from_ns: u64::MAX,
    };
    let mut held = Held {
        lease: &mut Lease::default(),
        refusals: &mut Refusals::default(),
    };
    Tokens {
        bucket_bytes: bytes(available_ns),
        burst_bytes: bytes(rate.burst_ns),
        leased_bytes: match rate.cost_per_byte {
            0 => u64::MAX,
            _ => buckets.leased_credit >> CREDIT_FRACTION_BITS,
        },
        passes: match police(rate, &mut held, &copies, &own, packet_bytes) {
            Ok(()) => true,
            Err(refusal) => {
                let mut noted = Noted {
                    counter: &mut AheadCounter::default(),
                    refusals: held.refusals,
                    dropped: &own,
                };
                let asked = (Claim::NOTHING, refusal);
                pass_ahead(rate, &mut noted, &copies, &own, asked, packet_bytes) != Ahead::Refused
            }
        },
    }
}

/// Bytes that a time pays for; none at no rate, and as many as one can say at any.
fn in_bytes(span_ns: u64, rate: &ClassRate) -> u64 {
    let span = u128::from(span_ns) << COST_FRACTION_BITS;
    match rate.cost_per_byte {
        BLOCKED => 0,
        0 => u64::MAX,
        cost => u64::try_from(span / u128::from(cost)).unwrap_or(u64::MAX),
    }
}

/// A copy of the bucket for the policer to look at; what it takes is not taken anywhere.
struct Copy {
    spent_until_ns: u64,
    now: Nanoseconds,
}

impl Bucket for Copy {
    fn spent_until_ns(&self) -> u64 {
        self.spent_until_ns
    }

    fn advance(&self, _current: u64, _new: u64) -> bool {
        true
    }
}

/// Nothing is known of any flow.
impl SharedLine for Copy {
    fn range(&self, _place: usize) -> DroppedRange {
        DroppedRange::default()
    }

    fn set_range(&self, _place: usize, _range: DroppedRange) {}
}

impl Clock for Copy {
    fn now_ns(&self) -> u64 {
        self.now.0
    }

    fn jiffy(&self) -> u64 {
        // Counts only behind a refusal, which an empty lease has not had.
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte a microsecond, a burst of four thousand.
    const RATE: ClassRate = ClassRate {
        cost_per_byte: 1_000 << COST_FRACTION_BITS,
        burst_ns: 4_000_000,
        lease_ns: 10_000,
        ..ClassRate::UNLIMITED
    };

    fn buckets(spent_until_ns: u64) -> BucketsNow {
        BucketsNow {
            own: SharedBucket {
                spent_until_ns,
                ..SharedBucket::default()
            },
            leased_credit: 3 << CREDIT_FRACTION_BITS,
            ..BucketsNow::default()
        }
    }

    fn at(now: u64, packet: u64) -> Tokens {
        tokens(&RATE, &buckets(5_000_000), Nanoseconds(now), packet)
    }

    #[test]
    fn a_bucket_fills_with_time_up_to_its_burst() {
        assert_eq!(at(4_000_000, 1).bucket_bytes, 0);
        assert_eq!(at(5_100_000, 1).bucket_bytes, 100);
        let full = at(9_000_000, 1);
        assert_eq!(
            (full.bucket_bytes, full.burst_bytes, full.leased_bytes),
            (4_000, 4_000, 3)
        );
    }

    #[test]
    fn a_packet_passes_as_the_policer_says() {
        assert!(at(5_102_000, 100).passes && !at(5_102_000, 110).passes);
        let shallow = ClassRate {
            burst_ns: 1_000_000,
            ..RATE
        };
        let at = |now| tokens(&shallow, &buckets(5_000_000), Nanoseconds(now), 110);
        assert!(at(5_001_000).passes && !at(5_000_000).passes);
        let blocked = ClassRate {
            cost_per_byte: BLOCKED,
            ..RATE
        };
        let blocked = tokens(&blocked, &buckets(0), Nanoseconds(1 << 40), 1);
        assert_eq!((blocked.bucket_bytes, blocked.passes), (0, false));
        let free = tokens(&ClassRate::default(), &buckets(0), Nanoseconds(1), 1);
        assert!(free.passes);
    }

    #[test]
    fn what_the_interface_lends_lets_a_packet_pass() {
        let lending = BucketsNow {
            interface: InterfaceRate {
                cost_per_byte: 100 << COST_FRACTION_BITS,
                burst_ns: 1_000_000,
                debt_ns: 0,
            },
            shared: SharedBucket {
                spent_until_ns: 3_000_000,
                ..SharedBucket::default()
            },
            ..buckets(5_000_000)
        };
        let passes = |reserve_ns| {
            let rate = ClassRate { reserve_ns, ..RATE };
            tokens(&rate, &lending, Nanoseconds(4_000_000), 1_000).passes
        };
        assert!(!at(4_000_000, 1_000).passes);
        assert!(passes(0) && passes(800_000) && !passes(950_000));
    }
}
