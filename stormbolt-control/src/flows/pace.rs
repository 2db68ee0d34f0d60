//! How many packets are sampled: as many as tell enough, whatever arrives.

use stormbolt_common::sample::Sampling;

use crate::units::Nanoseconds;

/// Packets a second that are wanted of all, and of watched connections.
const WANTED: u64 = 2_000;
/// The longest gap in packets is this at most.
const LONGEST_GAP: u64 = 1 << 20;
/// How many a CPU takes in a jiffy at most, until it is told to take fewer: a hundredth of what it could do then.
const PER_JIFFY: u32 = 32;
/// Which connections are watched changes so often, where not all are.
const TURN: Nanoseconds = Nanoseconds::from_millis(30_000);
/// No more connections are watched than before until so much time has gone by: the one that was too busy may be among them.
const LOOSENED_AFTER: Nanoseconds = Nanoseconds::from_millis(2_000);
/// All bits of ports.
const PORTS: u32 = 0xffff;

/// What came of sampling since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Packets that arrived, by what samples stand for.
    pub packets: u64,
    /// Packets of watched connections that were shown.
    pub watched: u64,
}

/// Which packets are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    sampling: Sampling,
    /// Since when these connections are watched.
    turned: Nanoseconds,
    /// Since when so many are.
    changed: Nanoseconds,
}

impl Default for Pace {
    /// All packets and all connections, as long as they are few.
    fn default() -> Self {
        Self {
            sampling: Sampling {
                packet_mask: 0,
                flow_mask: 0,
                flow_mark: 0,
                per_jiffy: PER_JIFFY,
            },
            turned: Nanoseconds(0),
            changed: Nanoseconds(0),
        }
    }
}

impl Pace {
    /// Which packets are to be sampled now.
    pub const fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Goes by what was observed in `span` up to `now`. `random` says which connections are watched, where not all are.
    pub fn go_by(&mut self, observed: Observed, now: Nanoseconds, span: Nanoseconds, random: u32) {
        self.sampling.packet_mask = mask_for(per_second(observed.packets, span));
        let watched = per_second(observed.watched, span);
        let (mask, chosen) = (self.sampling.flow_mask, self.sampling.flow_mark);
        // Of those that are watched half still are, or they all are with as many others.
        let wider = mask << 1 | 1;
        let (next, chosen) = if watched > WANTED && mask == PORTS {
            (mask, random & mask)
        } else if watched > WANTED {
            (wider, chosen | random & (wider & !mask))
        } else if watched < WANTED / 4 && now.since(self.changed) >= LOOSENED_AFTER {
            (mask >> 1, chosen & mask >> 1)
        } else {
            (mask, chosen)
        };
        if next != mask {
            self.changed = now;
        }
        self.sampling.flow_mask = next;
        self.sampling.flow_mark = chosen;
        if now.since(self.turned) >= TURN {
            self.turned = now;
            self.sampling.flow_mark = random & next;
        }
    }
}

/// The mask that takes as many packets as are wanted, or half as many, of `packets` a second.
fn mask_for(packets: u64) -> u32 {
    let gap = packets.div_ceil(WANTED).clamp(1, LONGEST_GAP / 2);
    if gap == 1 {
        return 0;
    }
    u32::try_from((2 * gap - 1).next_power_of_two() - 1).unwrap_or(0)
}

fn per_second(count: u64, span: Nanoseconds) -> u64 {
    let count = u128::from(count) * 1_000_000_000;
    let rate = count.checked_div(u128::from(span.0)).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Nanoseconds = Nanoseconds::from_millis(100);

    /// What `pace` would let be seen of traffic, in one span: packets, and those of watched connections of `connections`
    /// with one busy port each.
    fn observed(pace: Pace, packets: u64, connections: u32) -> Observed {
        let Sampling {
            flow_mask,
            flow_mark,
            ..
        } = pace.sampling();
        let each = packets / u64::from(connections.max(1));
        let watched = (0..connections).filter(|port| port & flow_mask == flow_mark);
        Observed {
            packets,
            watched: watched.map(|_| each).sum(),
        }
    }

    #[test]
    fn all_packets_are_taken_while_they_are_few_and_fewer_of_many() {
        for (packets, wanted) in [(0, 0), (200, 0), (201, 3), (1_000, 15), (100_000, 1_023)] {
            let mut pace = Pace::default();
            pace.go_by(observed(pace, packets, 0), Nanoseconds(1), SPAN, 7);
            assert_eq!(pace.sampling().packet_mask, wanted, "{packets}");
            let mean_gap = u64::from(wanted / 2) + 1;
            assert!(packets * 10 / mean_gap <= 2_000, "{packets}");
        }
    }

    #[test]
    fn so_many_connections_are_watched_that_they_have_the_packets_that_are_wanted() {
        let mut pace = Pace::default();
        let mut watched = 0;
        for span in 1..40 {
            let seen = observed(pace, 100_000, 10_000);
            watched = seen.watched * 10;
            pace.go_by(seen, Nanoseconds(span * SPAN.0), SPAN, 0xdead_beef);
        }
        assert!((500..=2_000).contains(&watched), "{watched}");
        for span in 40..400 {
            let seen = observed(pace, 40, 10);
            pace.go_by(seen, Nanoseconds(span * SPAN.0), SPAN, 0xdead_beef);
        }
        let sampling = pace.sampling();
        assert_eq!((sampling.flow_mask, sampling.flow_mark), (0, 0));
    }

    #[test]
    fn which_connections_are_watched_takes_turns() {
        let mut pace = Pace::default();
        let mut marks = std::collections::BTreeSet::new();
        for span in 1..4_000_u32 {
            let seen = observed(pace, 100_000, 10_000);
            let random = span.wrapping_mul(0x9e37_79b1);
            pace.go_by(seen, Nanoseconds(u64::from(span) * SPAN.0), SPAN, random);
            marks.insert(pace.sampling().flow_mark);
        }
        assert!(marks.len() > 10);
    }

    #[test]
    fn a_mark_is_always_within_its_mask() {
        let mut pace = Pace::default();
        for step in 0..2_000_u32 {
            let random = step.wrapping_mul(0x9e37_79b1);
            let seen = Observed {
                packets: u64::from(random),
                watched: u64::from(random >> 20),
            };
            let now = Nanoseconds(u64::from(step) * SPAN.0);
            pace.go_by(seen, now, SPAN, random.rotate_left(9));
            let sampling = pace.sampling();
            assert_eq!(sampling.flow_mark & !sampling.flow_mask, 0);
        }
    }
}
