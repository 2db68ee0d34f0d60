//! What holds the frames to a rate.

use std::any::Any;

use anyhow::Result;
use stormbolt_control::units::BitsPerSecond;

use crate::harness::{Link, Loaded, Nft, Shaper};
use crate::policies::{held_to, on};

const ETHERNET_HEADER: usize = 14;
/// Bursts of the peers that have queues: what passes in five milliseconds, at least two full frames.
const BURSTS_A_SECOND: u64 = 200;
const LEAST_BURST: u64 = 3028;

/// StormBolt or a peer, and where it is at work.
#[derive(Clone, Copy)]
pub(super) enum Limiter {
    /// Where the frames arrive, by one CPU.
    StormBolt,
    /// Where the frames arrive, by two CPUs at once.
    StormBoltOnTwoCpus,
    /// Where the frames arrive.
    NftLimit,
    /// Where the packets leave, with a queue.
    Shaper(Shaper),
}

/// A limiter at work, until it is dropped.
pub(super) enum Started {
    StormBolt(Box<Loaded>),
    Peer { _held: Box<dyn Any> },
    NotInstalled,
}

impl Limiter {
    pub(super) const ALL: [Self; 5] = [
        Self::StormBolt,
        Self::StormBoltOnTwoCpus,
        Self::NftLimit,
        Self::Shaper(Shaper::Htb),
        Self::Shaper(Shaper::Tbf),
    ];

    /// Name of its case at a rate of this name.
    pub(super) fn case(self, rate: &str) -> String {
        match self {
            Self::StormBolt => format!("udp-{rate}"),
            Self::StormBoltOnTwoCpus => format!("udp-{rate}-2cpu"),
            Self::NftLimit => format!("peer-nft-limit-{rate}"),
            Self::Shaper(shaper) => format!("peer-{}-{rate}", shaper.name()),
        }
    }

    /// What of a frame it counts: nftables sees it without the Ethernet header.
    pub(super) const fn counted_bytes(self, frame_bytes: usize) -> usize {
        match self {
            Self::StormBolt | Self::StormBoltOnTwoCpus | Self::Shaper(_) => frame_bytes,
            Self::NftLimit => frame_bytes - ETHERNET_HEADER,
        }
    }

    /// How many CPUs send at once.
    pub(super) const fn sending_cpus(self) -> usize {
        match self {
            Self::StormBoltOnTwoCpus => 2,
            Self::StormBolt | Self::NftLimit | Self::Shaper(_) => 1,
        }
    }

    /// Whether packets must leave by a device's queue to meet it, as those of sockets do.
    pub(super) const fn is_where_packets_leave(self) -> bool {
        matches!(self, Self::Shaper(_))
    }

    /// Starts it on a link.
    pub(super) fn start(self, bits_per_second: u64, link: &Link) -> Result<Started> {
        let bytes_per_second = bits_per_second / 8;
        match self {
            Self::StormBolt | Self::StormBoltOnTwoCpus => {
                let policy = on(held_to(BitsPerSecond(bits_per_second)), link.name());
                let loaded = Loaded::start_in(link.host().clone(), policy)?;
                Ok(Started::StormBolt(Box::new(loaded)))
            }
            Self::NftLimit => Ok(match Nft::limit(link, bytes_per_second)? {
                Some(limit) => peer(limit),
                None => Started::NotInstalled,
            }),
            Self::Shaper(shaper) => {
                let burst = (bytes_per_second / BURSTS_A_SECOND).max(LEAST_BURST);
                let started = shaper.start(link.sending(), bits_per_second, burst)?;
                Ok(if started {
                    peer(())
                } else {
                    Started::NotInstalled
                })
            }
        }
    }
}

fn peer(held: impl Any) -> Started {
    Started::Peer {
        _held: Box::new(held),
    }
}
