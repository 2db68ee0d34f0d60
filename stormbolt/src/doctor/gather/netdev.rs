//! What a device can do with XDP: the generic netlink family `netdev` (`linux/netdev.h`, Linux 6.3 and newer).

use std::io;
use std::pin::pin;

use futures_util::StreamExt;
use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, Nla,
    NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

/// `NETDEV_XDP_ACT_*` of a device; `None`: the kernel does not tell.
pub(super) fn xdp_features(ifindex: u32) -> Option<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let asked = runtime.and_then(|runtime| runtime.block_on(ask(ifindex)));
    asked.unwrap_or_else(|error| {
        tracing::debug!("cannot ask what device {ifindex} can do with XDP: {error}");
        None
    })
}

async fn ask(ifindex: u32) -> io::Result<Option<u64>> {
    let (connection, mut handle, _) = genetlink::new_connection()?;
    tokio::spawn(connection);
    let attribute = DefaultNla::new(NETDEV_A_DEV_IFINDEX, ifindex.to_ne_bytes().to_vec());
    let message = DeviceMessage {
        attributes: vec![attribute],
    };
    let mut message = NetlinkMessage::from(GenlMessage::from_payload(message));
    message.header.flags = NLM_F_REQUEST;
    let answer = handle.request(message).await.map_err(io::Error::other)?;
    let mut answer = pin!(answer);
    let Some(first) = answer.next().await else {
        return Ok(None);
    };
    let first = first.map_err(io::Error::other)?;
    let NetlinkPayload::InnerMessage(message) = first.payload else {
        return Ok(None);
    };
    Ok(features(&message.payload))
}

fn features(message: &DeviceMessage) -> Option<u64> {
    let mut attributes = message.attributes.iter();
    let found = attributes.find(|one| one.kind() == NETDEV_A_DEV_XDP_FEATURES)?;
    let mut bytes = vec![0; found.value_len()];
    found.emit_value(&mut bytes);
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

/// A message about a device, its attributes as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DeviceMessage {
    attributes: Vec<DefaultNla>,
}

impl GenlFamily for DeviceMessage {
    fn family_name() -> &'static str {
        "netdev"
    }

    fn version(&self) -> u8 {
        1
    }

    fn command(&self) -> u8 {
        NETDEV_CMD_DEV_GET
    }
}

impl Emitable for DeviceMessage {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for DeviceMessage {
    fn parse_with_param(buffer: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = NlasIterator::new(buffer).map(|one| DefaultNla::parse(&one?));
        Ok(Self {
            attributes: attributes.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_out_of_an_answer() {
        let attribute = |kind, value: &[u8]| DefaultNla::new(kind, value.to_vec());
        let message = DeviceMessage {
            attributes: vec![
                attribute(NETDEV_A_DEV_IFINDEX, &7_u32.to_ne_bytes()),
                attribute(NETDEV_A_DEV_XDP_FEATURES, &0x23_u64.to_ne_bytes()),
            ],
        };
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        let header = GenlHeader { cmd: 1, version: 1 };
        let read = DeviceMessage::parse_with_param(&bytes, header).unwrap();
        assert_eq!(features(&read), Some(0x23));
        let without = DeviceMessage {
            attributes: Vec::new(),
        };
        assert_eq!(features(&without), None);
    }
}
