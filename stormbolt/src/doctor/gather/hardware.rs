//! What a device's driver says of itself, over generic netlink.

use std::io;
use std::pin::pin;

use ethtool::{
    EthtoolAttr, EthtoolChannelAttr, EthtoolFeatureAttr, EthtoolHandle, EthtoolMessage,
    EthtoolRingAttr,
};
use futures_util::{Stream, StreamExt};
use netlink_packet_generic::GenlMessage;

use super::netdev::xdp_features;
use crate::doctor::facts::{Hardware, Queues};

/// What can be seen of the device; what a driver does not say stays open.
pub(super) fn look(name: &str, ifindex: u32) -> Hardware {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let asked = runtime.and_then(|runtime| runtime.block_on(ask(name)));
    let asked = asked.unwrap_or_else(|error| {
        tracing::debug!("cannot ask the driver of {name}: {error}");
        Hardware::default()
    });
    Hardware {
        xdp_features: xdp_features(ifindex),
        ..asked
    }
}

async fn ask(name: &str) -> io::Result<Hardware> {
    let (connection, mut handle, _) = ethtool::new_connection()?;
    tokio::spawn(connection);
    Ok(Hardware {
        xdp_features: None,
        queues: queues(&channels(&mut handle, name).await),
        ring: ring(&rings(&mut handle, name).await),
        features: features(&switched_on(&mut handle, name).await),
    })
}

async fn channels(handle: &mut EthtoolHandle, name: &str) -> Vec<EthtoolAttr> {
    match handle.channel().get(Some(name)).execute().await {
        Ok(answer) => attributes(answer).await,
        Err(_) => Vec::new(),
    }
}

async fn rings(handle: &mut EthtoolHandle, name: &str) -> Vec<EthtoolAttr> {
    match handle.ring().get(Some(name)).execute().await {
        Ok(answer) => attributes(answer).await,
        Err(_) => Vec::new(),
    }
}

async fn switched_on(handle: &mut EthtoolHandle, name: &str) -> Vec<EthtoolAttr> {
    match handle.feature().get(Some(name)).execute().await {
        Ok(answer) => attributes(answer).await,
        Err(_) => Vec::new(),
    }
}

/// Everything in an answer; nothing where the driver does not know what was asked.
async fn attributes<E>(
    answer: impl Stream<Item = Result<GenlMessage<EthtoolMessage>, E>>,
) -> Vec<EthtoolAttr> {
    let mut answer = pin!(answer);
    let mut all = Vec::new();
    while let Some(Ok(message)) = answer.next().await {
        all.extend(message.payload.nlas);
    }
    all
}

/// Queues that receive: those that send as well where there are any, or that there can be; else those that only receive. Drivers
/// that have both let them take the same rings, so they do not add up.
fn queues(attributes: &[EthtoolAttr]) -> Option<Queues> {
    let (mut combined, mut receiving) = ((0, 0), (0, 0));
    for attribute in attributes {
        let EthtoolAttr::Channel(attribute) = attribute else {
            continue;
        };
        if let EthtoolChannelAttr::CombinedCount(number) = attribute {
            combined.0 = *number;
        } else if let EthtoolChannelAttr::CombinedMax(number) = attribute {
            combined.1 = *number;
        } else if let EthtoolChannelAttr::RxCount(number) = attribute {
            receiving.0 = *number;
        } else if let EthtoolChannelAttr::RxMax(number) = attribute {
            receiving.1 = *number;
        }
    }
    let (kind, (now, most)) = if combined.0 > 0 {
        ("combined", combined)
    } else {
        ("rx", receiving)
    };
    (now > 0).then_some(Queues {
        kind,
        now,
        most: most.max(now),
    })
}

fn ring(attributes: &[EthtoolAttr]) -> Option<(u32, u32)> {
    let (mut now, mut most) = (None, None);
    for attribute in attributes {
        let EthtoolAttr::Ring(attribute) = attribute else {
            continue;
        };
        if let EthtoolRingAttr::Rx(number) = attribute {
            now = Some(*number);
        }
        if let EthtoolRingAttr::RxMax(number) = attribute {
            most = Some(*number);
        }
    }
    now.zip(most).filter(|(now, _)| *now > 0)
}

fn features(attributes: &[EthtoolAttr]) -> Vec<String> {
    let mut names = Vec::new();
    for attribute in attributes {
        if let EthtoolAttr::Feature(EthtoolFeatureAttr::Active(bits)) = attribute {
            let on = bits.iter().filter(|bit| bit.value);
            names.extend(on.map(|bit| bit.name.clone()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use ethtool::EthtoolFeatureBit;

    use super::*;

    #[test]
    fn queues_that_also_send_come_before_those_that_only_receive() {
        let of = |receiving, most_receiving, combined, most_combined| {
            let attributes = [
                EthtoolChannelAttr::RxMax(most_receiving),
                EthtoolChannelAttr::TxMax(9),
                EthtoolChannelAttr::CombinedMax(most_combined),
                EthtoolChannelAttr::RxCount(receiving),
                EthtoolChannelAttr::TxCount(9),
                EthtoolChannelAttr::CombinedCount(combined),
            ];
            queues(&attributes.map(EthtoolAttr::Channel))
        };
        let queues_of = |kind, now, most| Some(Queues { kind, now, most });
        assert_eq!(of(0, 8, 2, 8), queues_of("combined", 2, 8));
        assert_eq!(of(1, 4, 0, 0), queues_of("rx", 1, 4));
        assert_eq!(queues(&[]), None);
    }

    #[test]
    fn rings_without_entries_are_none() {
        let of = |now, most| {
            [EthtoolRingAttr::RxMax(most), EthtoolRingAttr::Rx(now)].map(EthtoolAttr::Ring)
        };
        assert_eq!(ring(&of(256, 4096)), Some((256, 4096)));
        assert_eq!(ring(&of(0, 0)), None);
    }

    #[test]
    fn features_that_are_on_are_named() {
        let bit = |name: &str, value| EthtoolFeatureBit {
            index: 0,
            name: name.to_owned(),
            value,
        };
        let active = EthtoolFeatureAttr::Active(vec![bit("rx-lro", true), bit("rx-gro", false)]);
        let wanted = EthtoolFeatureAttr::Wanted(vec![bit("rx-gro-hw", true)]);
        let attributes = [active, wanted].map(EthtoolAttr::Feature);
        assert_eq!(features(&attributes), ["rx-lro"]);
    }
}
