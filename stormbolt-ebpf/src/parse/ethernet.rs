//! Ethernet II and up to two VLAN tags (IEEE 802.1Q, 802.1ad).

use stormbolt_common::classifier::UNTAGGED;

use super::ParseError;
use crate::packet::PacketBytes;

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
const CUSTOMER_TAG: u16 = 0x8100;
const SERVICE_TAG: u16 = 0x88a8;

pub(super) struct Link {
    pub(super) ether_type: u16,
    /// VLAN identifier, or [`UNTAGGED`].
    pub(super) vlan: u32,
    pub(super) payload_offset: usize,
}

/// Reads the Ethernet header and its tags. An outer tag with identifier 0 says a priority and no VLAN
/// (IEEE 802.1Q section 9.6), so the inner one counts then, as it does for Linux.
#[inline(always)]
pub(super) fn parse<P: PacketBytes + ?Sized>(packet: &P) -> Result<Link, ParseError> {
    let [.., high, low] = packet.bytes_at::<14>(0).ok_or(ParseError::Truncated)?;
    let ether_type = u16::from_be_bytes([high, low]);
    if !is_tag(ether_type) {
        return Ok(Link {
            ether_type,
            vlan: UNTAGGED,
            payload_offset: 14,
        });
    }
    let (vlan, ether_type) = tag(packet, 14)?;
    if !is_tag(ether_type) {
        return Ok(Link {
            ether_type,
            vlan: u32::from(vlan),
            payload_offset: 18,
        });
    }
    let (inner, ether_type) = tag(packet, 18)?;
    if is_tag(ether_type) {
        return Err(ParseError::TooManyVlanTags);
    }
    let vlan = if vlan == 0 { inner } else { vlan };
    Ok(Link {
        ether_type,
        vlan: u32::from(vlan),
        payload_offset: 22,
    })
}

#[inline(always)]
const fn is_tag(ether_type: u16) -> bool {
    matches!(ether_type, CUSTOMER_TAG | SERVICE_TAG)
}

/// VLAN identifier of the tag at `offset`, and the `EtherType` behind it.
#[inline(always)]
fn tag<P: PacketBytes + ?Sized>(packet: &P, offset: usize) -> Result<(u16, u16), ParseError> {
    let [control_high, control_low, type_high, type_low] =
        packet.bytes_at::<4>(offset).ok_or(ParseError::Truncated)?;
    let vlan = u16::from_be_bytes([control_high, control_low]) & 0x0fff;
    Ok((vlan, u16::from_be_bytes([type_high, type_low])))
}
