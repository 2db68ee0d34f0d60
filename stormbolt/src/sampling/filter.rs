//! Which packets a capture wants.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use stormbolt_common::Address;
use stormbolt_common::outcome::Outcome;
use stormbolt_common::sample::Sample;

use super::packet::Packet;

/// What a packet must be like; what is `None` may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// It arrived on one of these devices.
    pub arrivals: Option<Vec<u32>>,
    /// It is of the class with this number.
    pub class: Option<u32>,
    /// It ended so.
    pub outcome: Option<Outcome>,
    /// It was dropped, or it was not.
    pub is_dropped: Option<bool>,
    /// It comes from there or goes there.
    pub host: Option<IpNet>,
    /// It comes from there.
    pub source: Option<IpNet>,
    /// It goes there.
    pub destination: Option<IpNet>,
    /// One of its ports.
    pub port: Option<u16>,
    /// Its IP protocol.
    pub protocol: Option<u8>,
}

impl Filter {
    /// Whether it takes a packet; `packet` is what its headers say if it is IP.
    pub fn takes(&self, sample: &Sample, packet: Option<&Packet>) -> bool {
        let head = &sample.head;
        let outcome = outcome(head.outcome);
        let arrivals = self.arrivals.as_ref();
        arrivals.is_none_or(|arrivals| arrivals.contains(&head.ifindex))
            && self.class.is_none_or(|class| class == head.verdict)
            && self.outcome.is_none_or(|wanted| outcome == Some(wanted))
            && self
                .is_dropped
                .is_none_or(|wanted| outcome.is_some_and(|one| one.is_drop() == wanted))
            && self.takes_packet(packet)
    }

    fn takes_packet(&self, packet: Option<&Packet>) -> bool {
        let asks = self.host.is_some()
            || self.source.is_some()
            || self.destination.is_some()
            || self.port.is_some()
            || self.protocol.is_some();
        let Some(packet) = packet else {
            return !asks;
        };
        let flow = &packet.flow;
        let (source, destination) = (address(flow.source), address(flow.destination));
        let has_port = |port: u16| {
            let ports = flow.ports;
            ports.is_some_and(|(source, destination)| source == port || destination == port)
        };
        self.host
            .is_none_or(|host| host.contains(&source) || host.contains(&destination))
            && self.source.is_none_or(|prefix| prefix.contains(&source))
            && self
                .destination
                .is_none_or(|prefix| prefix.contains(&destination))
            && self.port.is_none_or(has_port)
            && self.protocol.is_none_or(|wanted| wanted == flow.protocol)
    }
}

/// The outcome with this number.
pub(crate) fn outcome(index: u32) -> Option<Outcome> {
    let index = usize::try_from(index).ok()?;
    Outcome::ALL.get(index).copied()
}

/// An address as people write it.
pub(crate) fn address(address: Address) -> IpAddr {
    Ipv6Addr::from(address).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::super::packet::tests::{sample, segment};
    use super::*;

    #[test]
    fn every_field_must_be_as_it_is_wanted() {
        let mut sample = sample(&segment(0, 1, 2));
        sample.head.verdict = 5;
        sample.head.outcome = Outcome::OverRate.index();
        let packet = Packet::of(&sample).unwrap();
        let net = |text: &str| Some(text.parse::<IpNet>().unwrap());
        let fits = Filter {
            arrivals: Some(vec![2, 3]),
            class: Some(5),
            outcome: Some(Outcome::OverRate),
            is_dropped: Some(true),
            host: net("198.51.100.0/24"),
            source: net("192.0.2.1/32"),
            destination: net("198.51.100.2/32"),
            port: Some(443),
            protocol: Some(6),
        };
        let one = Filter::default;
        assert!(fits.takes(&sample, Some(&packet)) && one().takes(&sample, Some(&packet)));
        let others = [
            Filter {
                arrivals: Some(vec![2]),
                ..one()
            },
            Filter {
                class: Some(4),
                ..one()
            },
            Filter {
                outcome: Some(Outcome::RuleDropped),
                ..one()
            },
            Filter {
                is_dropped: Some(false),
                ..one()
            },
            Filter {
                host: net("2001:db8::/32"),
                ..one()
            },
            Filter {
                source: net("198.51.100.0/24"),
                ..one()
            },
            Filter {
                destination: net("192.0.2.0/24"),
                ..one()
            },
            Filter {
                port: Some(80),
                ..one()
            },
            Filter {
                protocol: Some(17),
                ..one()
            },
        ];
        for other in others {
            assert!(!other.takes(&sample, Some(&packet)), "{other:?}");
        }
    }

    #[test]
    fn what_is_not_ip_is_taken_unless_a_header_is_asked_for() {
        let sample = sample(&[0; 60]);
        assert!(Filter::default().takes(&sample, None));
        let of_port = Filter {
            port: Some(1),
            ..Filter::default()
        };
        assert!(!of_port.takes(&sample, None));
    }
}
