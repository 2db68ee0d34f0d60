//! Echo requests as bytes, and which of them an answer belongs to. Answers come from anybody.

use std::collections::VecDeque;
use std::net::IpAddr;

use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Slice, Icmpv4Type, Icmpv6Header, Icmpv6Slice, Icmpv6Type,
    Ipv4HeaderSlice,
};
use stormbolt_control::units::Nanoseconds;

/// An answer that takes longer counts as lost: more than a queue holds.
const PATIENCE: Nanoseconds = Nanoseconds::from_millis(5_000);

/// Requests that are waited for: those of the patience at the shortest interval.
const MAX_WAITING: usize = 256;

/// How a socket hands answers over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// From the ICMP header on.
    Icmp,
    /// With the IPv4 header before it.
    Ipv4,
}

/// The requests to one address that have not been answered yet.
pub(super) struct Requests {
    is_ipv4: bool,
    identifier: u16,
    /// What only the address that is asked can know; strangers cannot make up answers.
    secret: u64,
    next: u16,
    waiting: VecDeque<(u16, Nanoseconds)>,
}

impl Requests {
    /// To `address`, where nobody else knows `secret`.
    pub(super) fn to(address: IpAddr, secret: u64) -> Self {
        let [first, second, ..] = secret.to_be_bytes();
        Self {
            is_ipv4: address.is_ipv4(),
            identifier: u16::from_be_bytes([first, second]),
            secret,
            next: 0,
            waiting: VecDeque::new(),
        }
    }

    /// The next request, to be sent `now`.
    pub(super) fn ask(&mut self, now: Nanoseconds) -> Vec<u8> {
        let sequence = self.next;
        self.next = self.next.wrapping_add(1);
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((sequence, now));
        let payload = self.payload(sequence);
        let header = IcmpEchoHeader {
            id: self.identifier,
            seq: sequence,
        };
        let mut bytes = if self.is_ipv4 {
            let kind = Icmpv4Type::EchoRequest(header);
            Icmpv4Header::with_checksum(kind, &payload)
                .to_bytes()
                .to_vec()
        } else {
            // The kernel adds the checksum, which is over addresses that it chooses.
            Icmpv6Header::new(Icmpv6Type::EchoRequest(header))
                .to_bytes()
                .to_vec()
        };
        bytes.extend(payload);
        bytes
    }

    /// Takes back the last request: it could not be sent.
    pub(super) fn unask(&mut self) {
        self.waiting.pop_back();
    }

    /// How long the request has taken that `bytes`, which arrived `now`, are the answer to; `None`: they are
    /// something else.
    pub(super) fn answer(
        &mut self,
        bytes: &[u8],
        framing: Framing,
        now: Nanoseconds,
    ) -> Option<Nanoseconds> {
        let icmp = match framing {
            Framing::Icmp => bytes,
            Framing::Ipv4 => {
                let header = Ipv4HeaderSlice::from_slice(bytes).ok()?;
                bytes.get(header.slice().len()..)?
            }
        };
        let (sequence, payload) = if self.is_ipv4 {
            let slice = Icmpv4Slice::from_slice(icmp).ok()?;
            // Not the identifier: the kernel gives unprivileged sockets one of its own.
            let Icmpv4Type::EchoReply(echo) = slice.icmp_type() else {
                return None;
            };
            (echo.seq, slice.payload())
        } else {
            let slice = Icmpv6Slice::from_slice(icmp).ok()?;
            let Icmpv6Type::EchoReply(echo) = slice.icmp_type() else {
                return None;
            };
            (echo.seq, slice.payload())
        };
        if payload != self.payload(sequence) {
            return None;
        }
        let position = self.waiting.iter().position(|(one, _)| *one == sequence)?;
        let (_, sent) = self.waiting.remove(position)?;
        Some(now.since(sent))
    }

    /// Gives up requests that are too old by `now`, and says how many.
    pub(super) fn give_up(&mut self, now: Nanoseconds) -> usize {
        let before = self.waiting.len();
        self.waiting
            .retain(|(_, sent)| now.since(*sent) <= PATIENCE);
        before - self.waiting.len()
    }

    fn payload(&self, sequence: u16) -> [u8; 16] {
        let mut payload = [0; 16];
        let (secret, rest) = payload.split_at_mut(8);
        secret.copy_from_slice(&self.secret.to_be_bytes());
        for (to, from) in rest.iter_mut().zip(sequence.to_be_bytes()) {
            *to = from;
        }
        payload
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    /// What whoever is asked sends back.
    fn reply(request: &[u8], address: IpAddr) -> Vec<u8> {
        let mut reply = request.to_vec();
        reply[0] = if address.is_ipv4() { 0 } else { 129 };
        reply
    }

    fn at(millis: u64) -> Nanoseconds {
        Nanoseconds::from_millis(millis)
    }

    #[test]
    fn an_answer_says_how_long_it_took_and_counts_once() {
        for address in [V4, V6] {
            let mut requests = Requests::to(address, 7);
            let first = reply(&requests.ask(at(0)), address);
            let second = reply(&requests.ask(at(100)), address);
            let mut answer = |bytes: &[u8], now| requests.answer(bytes, Framing::Icmp, at(now));
            assert_eq!(answer(&second, 120), Some(at(20)));
            assert_eq!(answer(&first, 150), Some(at(150)));
            assert_eq!(answer(&first, 160), None);
        }
    }

    #[test]
    fn an_answer_may_stand_behind_an_ipv4_header_with_options() {
        let mut requests = Requests::to(V4, 7);
        let icmp = reply(&requests.ask(at(0)), V4);
        let mut packet = vec![0; 24];
        packet[0] = 0x46;
        packet[3] = 48;
        packet.extend(icmp);
        assert_eq!(requests.answer(&packet, Framing::Ipv4, at(3)), Some(at(3)));
    }

    #[test]
    fn what_is_made_up_or_meant_for_others_is_no_answer() {
        let mut requests = Requests::to(V4, 7);
        let request = requests.ask(at(0));
        let mut answer = |bytes: &[u8]| requests.answer(bytes, Framing::Icmp, at(1));
        assert_eq!(answer(&request), None, "the request itself");
        let mut guessed = reply(&request, V4);
        guessed[15] ^= 1;
        assert_eq!(answer(&guessed), None, "another secret");
        let mut moved = reply(&request, V4);
        moved[7] ^= 1;
        assert_eq!(answer(&moved), None, "another number");
        assert_eq!(answer(&reply(&request, V4)), Some(at(1)));
    }

    #[test]
    fn what_is_not_answered_in_time_is_given_up_and_there_is_a_bound() {
        let mut requests = Requests::to(V6, 7);
        for millis in 0..10 * 1_000 {
            requests.ask(at(millis));
        }
        assert_eq!(requests.waiting.len(), MAX_WAITING);
        assert_eq!(requests.give_up(at(10_000)), 0);
        assert_eq!(requests.give_up(at(14_800)), 56);
        assert_eq!(requests.give_up(at(20_000)), 200);
        requests.ask(at(20_000));
        requests.unask();
        assert_eq!(requests.give_up(at(40_000)), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_do_any_harm(
            bytes in prop::collection::vec(any::<u8>(), 0..120),
            is_ipv4: bool,
            is_raw: bool,
            now: u64,
        ) {
            let mut requests = Requests::to(if is_ipv4 { V4 } else { V6 }, u64::MAX);
            requests.ask(Nanoseconds(0));
            let framing = if is_raw { Framing::Ipv4 } else { Framing::Icmp };
            prop_assert_eq!(requests.answer(&bytes, framing, Nanoseconds(now)), None);
        }
    }
}
