//! Round-trip times of TCP connections, from what passes by.
//!
//! A segment says when it was sent by a number of its sender's (`TSval`), and the receiver sends that number back
//! (`TSecr`; RFC 7323 section 3). From the first segment with a number to the first one that brings it back it takes a round trip
//! between here and the receiver, with the time that the receiver takes to answer, as Kathleen Nichols' `pping` measures
//! it. That needs both directions to arrive here, as they do where packets are forwarded.
//!
//! Where this machine is one of the ends, only what the other one sends arrives. Then a connection's beginning tells: from
//! a SYN to the ACK that ends the handshake it takes a round trip, and what this machine takes to answer.

use std::collections::{HashMap, VecDeque};

use super::{Ends, Flow};
use crate::units::Nanoseconds;

/// TCP flags (RFC 9293 section 3.1).
pub mod flag {
    /// The first segment of either side.
    pub const SYN: u8 = 0x02;
    /// The connection is given up.
    pub const RST: u8 = 0x04;
    /// The segment says what has arrived.
    pub const ACK: u8 = 0x10;
}

/// What is not answered by then never is, or it says nothing of the network.
const LONGEST: Nanoseconds = Nanoseconds::from_millis(10_000);

/// A TCP segment of a watched connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it comes from and where it goes.
    pub flow: Flow,
    /// Its flags, FIN in the lowest bit.
    pub flags: u8,
    /// Its timestamps, if it has any.
    pub timestamps: Option<Timestamps>,
    /// When it came.
    pub at: Nanoseconds,
}

/// The option of RFC 7323 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// What the other side's clock was, by what the sender has seen of it.
    pub echo_reply: u32,
}

/// What is known of watched connections: what is waited for, and nothing else. Bounded: the oldest goes first.
#[derive(Debug)]
pub struct RoundTrips {
    limit: usize,
    waiting: HashMap<Awaited, Waiting>,
    /// In the order in which they came; what was answered is still there.
    order: VecDeque<(Nanoseconds, Awaited)>,
}

/// What a segment is waited for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Awaited {
    /// The other side brings back this number.
    Echo(Ends, u32),
    /// These ends' handshake goes on: a SYN came from the source.
    Handshake(Ends),
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Nanoseconds,
    /// A handshake: when the SYN-ACK passed by, if it did.
    answered: Option<Nanoseconds>,
    /// It was sent again, so nobody knows what is answered (Karn's algorithm, RFC 6298 section 3).
    is_ambiguous: bool,
}

impl RoundTrips {
    /// Remembers so many segments at most.
    pub fn with_room_for(limit: usize) -> Self {
        Self {
            limit,
            waiting: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Takes note of a segment. What it tells, if anything: how long a round trip takes between here and the one that
    /// sent it.
    pub fn take(&mut self, segment: &Segment) -> Option<Nanoseconds> {
        self.forget(segment.at);
        let by_handshake = self.handshake(segment);
        let by_echo = self.echo(segment);
        by_echo.or(by_handshake)
    }

    fn echo(&mut self, segment: &Segment) -> Option<Nanoseconds> {
        let timestamps = segment.timestamps?;
        let ends = segment.flow.ends();
        // The first segment with a number; others with the same one were sent later.
        self.wait_for(Awaited::Echo(ends, timestamps.value), segment.at);
        if segment.flags & flag::ACK == 0 {
            return None;
        }
        let awaited = Awaited::Echo(ends.turned(), timestamps.echo_reply);
        // Numbers that come again are of segments that answer nothing new.
        let waiting = self.waiting.get_mut(&awaited)?;
        if waiting.is_ambiguous {
            return None;
        }
        waiting.is_ambiguous = true;
        Some(segment.at.since(waiting.since))
    }

    fn handshake(&mut self, segment: &Segment) -> Option<Nanoseconds> {
        let ends = segment.flow.ends();
        let (is_syn, is_ack) = (
            segment.flags & flag::SYN != 0,
            segment.flags & flag::ACK != 0,
        );
        if segment.flags & flag::RST != 0 {
            self.waiting.remove(&Awaited::Handshake(ends));
            self.waiting.remove(&Awaited::Handshake(ends.turned()));
            return None;
        }
        match (is_syn, is_ack) {
            (true, false) => {
                let known = self.waiting.get_mut(&Awaited::Handshake(ends));
                match known {
                    Some(waiting) => waiting.is_ambiguous = true,
                    None => self.wait_for(Awaited::Handshake(ends), segment.at),
                }
                None
            }
            (true, true) => {
                let awaited = Awaited::Handshake(ends.turned());
                let waiting = self.waiting.get_mut(&awaited)?;
                if waiting.answered.is_some() {
                    waiting.is_ambiguous = true;
                    return None;
                }
                waiting.answered = Some(segment.at);
                (!waiting.is_ambiguous).then(|| segment.at.since(waiting.since))
            }
            (false, true) => {
                let waiting = self.waiting.remove(&Awaited::Handshake(ends))?;
                let since = waiting.answered.unwrap_or(waiting.since);
                (!waiting.is_ambiguous).then(|| segment.at.since(since))
            }
            (false, false) => None,
        }
    }

    fn wait_for(&mut self, awaited: Awaited, now: Nanoseconds) {
        if self.waiting.contains_key(&awaited) {
            return;
        }
        let waiting = Waiting {
            since: now,
            answered: None,
            is_ambiguous: false,
        };
        self.waiting.insert(awaited, waiting);
        self.order.push_back((now, awaited));
    }

    /// Forgets what is too old, and the oldest where there is no room.
    fn forget(&mut self, now: Nanoseconds) {
        // A segment is waited for twice at most.
        while self.order.len() + 2 > self.limit
            || self
                .order
                .front()
                .is_some_and(|(since, _)| now.since(*since) > LONGEST)
        {
            let Some((since, awaited)) = self.order.pop_front() else {
                return;
            };
            // A handshake may have been answered and begun anew.
            if self.waiting.get(&awaited).map(|one| one.since) == Some(since) {
                self.waiting.remove(&awaited);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn flow(source: u8, destination: u8) -> Flow {
        let port = |end: u8| 1_000 + u16::from(end);
        Flow {
            ifindex: u32::from(source),
            source: [source; 16],
            destination: [destination; 16],
            protocol: 6,
            ports: Some((port(source), port(destination))),
        }
    }

    fn segment(ends: (u8, u8), flags: u8, timestamps: Option<(u32, u32)>, at: u64) -> Segment {
        Segment {
            flow: flow(ends.0, ends.1),
            flags,
            timestamps: timestamps.map(|(value, echo_reply)| Timestamps { value, echo_reply }),
            at: Nanoseconds(at * MS),
        }
    }

    fn told(segments: &[Segment]) -> Vec<Option<u64>> {
        let mut trips = RoundTrips::with_room_for(100);
        segments
            .iter()
            .map(|one| trips.take(one).map(|took| took.0 / MS))
            .collect()
    }

    const SYN: u8 = flag::SYN;
    const ACK: u8 = flag::ACK;

    #[test]
    fn of_forwarded_connections_both_sides_are_measured_all_the_time() {
        let both = [
            segment((1, 2), SYN, Some((100, 0)), 0),
            segment((2, 1), SYN | ACK, Some((900, 100)), 30),
            segment((1, 2), ACK, Some((130, 900)), 35),
            segment((1, 2), ACK, Some((130, 900)), 36),
            segment((2, 1), ACK, Some((940, 130)), 67),
            segment((1, 2), ACK, Some((170, 940)), 70),
        ];
        let expected = [None, Some(30), Some(5), None, Some(32), Some(3)];
        assert_eq!(told(&both), expected);
    }

    #[test]
    fn without_timestamps_the_handshake_is_measured() {
        let both = [
            segment((1, 2), SYN, None, 0),
            segment((2, 1), SYN | ACK, None, 30),
            segment((1, 2), ACK, None, 35),
            segment((1, 2), ACK, None, 99),
        ];
        assert_eq!(told(&both), [None, Some(30), Some(5), None]);
    }

    #[test]
    fn where_this_machine_answers_itself_the_handshake_is_measured_from_the_syn() {
        let arriving = [
            segment((1, 2), SYN, Some((100, 0)), 0),
            segment((1, 2), ACK, Some((140, 777)), 42),
            segment((1, 2), ACK, Some((150, 790)), 60),
        ];
        assert_eq!(told(&arriving), [None, Some(42), None]);
    }

    #[test]
    fn what_was_sent_twice_tells_nothing() {
        let again = [
            segment((1, 2), SYN, None, 0),
            segment((1, 2), SYN, None, 1_000),
            segment((1, 2), ACK, None, 1_040),
        ];
        assert_eq!(told(&again), [None; 3]);
        let answered_again = [
            segment((1, 2), SYN, None, 0),
            segment((2, 1), SYN | ACK, None, 10),
            segment((2, 1), SYN | ACK, None, 1_010),
            segment((1, 2), ACK, None, 1_020),
        ];
        assert_eq!(told(&answered_again), [None, Some(10), None, None]);
    }

    #[test]
    fn what_takes_too_long_is_forgotten() {
        let late = [
            segment((1, 2), ACK, Some((100, 1)), 0),
            segment((2, 1), ACK, Some((900, 100)), 10_001),
        ];
        assert_eq!(told(&late), [None, None]);
    }

    #[test]
    fn a_refused_connection_tells_nothing() {
        let refused = [
            segment((1, 2), SYN, None, 0),
            segment((2, 1), flag::RST | ACK, None, 5),
            segment((1, 2), ACK, None, 90),
        ];
        assert_eq!(told(&refused), [None; 3]);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_no_trip_is_longer_than_what_was_seen(
            segments in prop::collection::vec(
                (0..4_u8, 0..4_u8, any::<u8>(), prop::option::of((0..20_u32, 0..20_u32)), 0..50_u64),
                1..300,
            ),
        ) {
            let mut trips = RoundTrips::with_room_for(16);
            let mut now = 0;
            for (source, destination, flags, timestamps, later) in segments {
                now += later;
                let took = trips.take(&segment((source, destination), flags, timestamps, now));
                prop_assert!(took.is_none_or(|took| took.0 <= now * MS));
                prop_assert!(trips.waiting.len() <= 16 && trips.order.len() <= 16);
            }
        }
    }
}
